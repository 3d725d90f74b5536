//! What can be broken, and the list or the timetable by which it is. How it is done is the drivers' business.

use std::sync::Arc;
use std::time::Duration;

mod command;
mod dice;
mod draw;
mod file;
mod kind;

pub use command::CommandFault;
pub(crate) use dice::mix;
pub use draw::{Field, Planned, When, draw, one_of_each};
pub use file::FaultList;
pub use kind::{Kind, Needs};

/// One thing to break, with everything that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    /// The replicas that it is done to; empty: to none in particular.
    pub replicas: Vec<u16>,
    /// In the kind's own unit; 0 where it has none.
    pub amount: u64,
    /// How long it is in force before it is healed; zero for what only happens.
    pub hold: Duration,
    /// The user's own commands, for [`Kind::Command`].
    pub command: Option<Arc<CommandFault>>,
}

impl Fault {
    /// With the kind's own amount and hold.
    pub fn of(kind: Kind, replicas: Vec<u16>) -> Self {
        let hold = kind.hold().unwrap_or_default();
        Self { kind, replicas, amount: kind.amount().map_or(0, |amount| amount.default), hold, command: None }
    }

    /// The name that record and report know it by: the kind's, or the user's own.
    pub fn name(&self) -> &str {
        self.command.as_ref().map_or(self.kind.name(), |command| &command.name)
    }

    /// It has to be undone.
    pub fn is_healed(&self) -> bool {
        match &self.command {
            Some(command) => !command.heal.is_empty(),
            // Clients end what they do by themselves.
            None => self.kind.hold().is_some() && !self.kind.is_of_clients(),
        }
    }

    /// "replica 3", "replicas 1, 4, 7", "the cluster", "the store".
    pub fn targets(&self) -> String {
        match self.replicas.as_slice() {
            [] if self.kind.is_of_store() => "the store".into(),
            [] => "the cluster".into(),
            [one] => format!("replica {one}"),
            more => format!("replicas {}", more.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

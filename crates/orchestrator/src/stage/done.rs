//! What was done on a stage, for those who look at it afterwards.

use erlmcp_load::proto::command::Command;
use erlmcp_record::{Entry, ScenarioRow};

use super::Stage;
use crate::action::{Action, Ask};

impl Stage {
    pub(crate) fn operates(&self) -> bool {
        self.world.operates()
    }

    /// The last value of a finding; panics where it was not written.
    pub(crate) fn finding(&self, name: &str) -> Option<f64> {
        let mut rows = self.rows().filter_map(|row| match row {
            Entry::Finding(row) if row.name == name => Some(row.value),
            _ => None,
        });
        rows.next_back().unwrap_or_else(|| panic!("no finding {name}"))
    }

    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.actions.iter().filter_map(|action| match action {
            Action::Row(row) => Some(row),
            _ => None,
        })
    }

    pub(crate) fn scenario(&self) -> ScenarioRow {
        let mut rows = self.rows().filter_map(|row| match row {
            Entry::Scenario(row) => Some(row.clone()),
            _ => None,
        });
        rows.next_back().expect("a scenario's row")
    }

    pub(crate) fn fault_row(&self) -> erlmcp_record::FaultRow {
        let mut rows = self.rows().filter_map(|row| match row {
            Entry::Fault(row) => Some(row.clone()),
            _ => None,
        });
        rows.next_back().expect("a fault's row")
    }

    pub(crate) fn asked(&self, ask: &Ask) -> bool {
        self.asked_for(|asked| asked == ask)
    }

    pub(crate) fn asked_for(&self, what: impl Fn(&Ask) -> bool) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Ask(asked) if what(asked)))
    }

    pub(crate) fn abort(&self) -> Option<&str> {
        self.actions.iter().find_map(|action| match action {
            Action::Abort(reason) => Some(reason.as_str()),
            _ => None,
        })
    }

    pub(crate) fn commands(&self) -> impl Iterator<Item = (u32, &Command)> {
        self.actions.iter().filter_map(|action| match action {
            Action::Command { agent, command } => Some((*agent, command)),
            _ => None,
        })
    }
}

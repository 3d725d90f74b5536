use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use erlmcp_load::proto::{self, command::Command};
use erlmcp_record::Entry;
use erlmcp_report::live;

use crate::fault::Fault;
use crate::plan::Visit;

/// What a block wants done. The select loop does it.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "actions are done as they come, never kept in numbers")]
pub(crate) enum Action {
    /// For one agent.
    Command { agent: u32, command: Command },
    /// Into the record.
    Row(Entry),
    /// For the person who watches.
    Show(live::Event),
    /// A line of the sustained load: the seconds `from..to` of the run's clock.
    ShowSpan { elapsed_s: u32, from: u32, to: u32 },
    /// The lines that stand after a phase.
    Summarize { number: u8, name: String },
    /// Something that takes a while; its outcome comes back as an [`Answer`](crate::event::Answer).
    Ask(Ask),
    /// The run cannot go on as planned, with the reason as a sentence: it ends in order.
    Abort(String),
}

/// Something that the select loop is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Health,
    /// Looks the target's name up.
    Resolve,
    Workers,
    /// Faults have the numbers of their rows.
    Inject {
        id: u32,
        fault: Fault,
    },
    /// Undoes it, as soon as it is in force.
    Heal {
        id: u32,
    },
    /// Waits for /ready on the replica's own address.
    AwaitReady {
        replica: u16,
    },
    Scale {
        replicas: u16,
    },
    /// Gets the store's own account of all operations, and audits them in this folder.
    Audit {
        folder: PathBuf,
        /// The account is there in so long.
        within: Duration,
    },
    Dismantle {
        own_cluster: bool,
    },
    /// Goes to one of the target's limits, or drives one of its parts, beside the agents.
    Visit {
        id: u32,
        visit: Visit,
    },
    /// Makes a change that streams tell of.
    Change {
        change: u32,
    },
}

impl Action {
    /// The same command to each of these agents.
    pub(crate) fn to_all(agents: &[u32], command: &Command) -> Vec<Self> {
        Self::to_each(agents, |_| command.clone())
    }

    /// To each of these agents the command for its position among them.
    pub(crate) fn to_each(agents: &[u32], command: impl Fn(u32) -> Command) -> Vec<Self> {
        (0..).zip(agents).map(|(index, agent)| Action::Command { agent: *agent, command: command(index) }).collect()
    }

    /// Tells these agents the target's addresses, by replica.
    pub(crate) fn tell_endpoints(agents: &[u32], endpoints: &[(u16, SocketAddr)]) -> Vec<Self> {
        let endpoint = |(replica, address): &(u16, SocketAddr)| proto::Endpoint {
            replica: u32::from(*replica),
            address: address.to_string(),
        };
        let list = proto::Endpoints { endpoints: endpoints.iter().map(endpoint).collect() };
        Self::to_all(agents, &Command::Endpoints(list))
    }

    pub(crate) fn note(text: impl Into<String>) -> Self {
        Action::Show(live::Event::Note { text: text.into() })
    }

    pub(crate) fn scenario_line(text: impl Into<String>) -> Self {
        Action::Show(live::Event::ScenarioLine { text: text.into() })
    }
}

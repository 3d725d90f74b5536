use std::net::SocketAddr;

use crate::fault::{Field, Kind};
use crate::{Era, ToolCall};

/// Calls of a flood beyond those that workers and queue of a replica have room for.
pub(crate) const FLOOD_EXCESS: u64 = 100;

/// What is known of the target when the plan is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The run starts and stops the cluster itself.
    pub own_cluster: bool,
    /// Target and generator share a machine.
    pub colocated: bool,
    /// Addresses that answer: at least 1.
    pub replicas: u16,
    /// Numbers, kinds that cannot be done, and the replicas behind the fault proxy.
    pub field: Field,
    /// Why the number of replicas cannot be changed where they can be killed; None: it can.
    pub cannot_scale: Option<String>,
    /// Where the fault proxy waits until it is needed; None: there is none, or it stands in front from the beginning.
    pub fronts: Option<Fronts>,
    /// What may be called to fill the queue, or why nothing may.
    pub queue: Result<QueueFacts, String>,
    /// Draws what is left to chance.
    pub seed: u64,
    /// Connections that may be opened beyond those that were asked for.
    pub spare: u64,
    /// How the target is changed for its streams to tell of it, or why it is not.
    pub changes: Result<ChangeBy, String>,
    /// A tool whose calls happen once each, and whose store can be asked for all of them.
    pub operations: Option<String>,
    pub offers: Offers,
    pub visits: Visits,
}

/// All addresses to connect to, by replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fronts {
    /// With the proxy's in place of those that it stands before.
    pub through: Vec<(u16, SocketAddr)>,
    pub direct: Vec<(u16, SocketAddr)>,
}

/// What a visitor may do at the target beside harmless and bounded requests; each with the reason where it may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visits {
    /// What takes all that the target has, for a moment.
    pub exhausting: Result<(), String>,
    /// As many connections as one replica may have.
    pub filling: Result<(), String>,
    /// The target tells what its parts count.
    pub parts: Result<(), String>,
    /// Connections that one replica takes; None: it does not say.
    pub connections_of_one: Option<u64>,
}

/// What the target offers beside the run's own call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    /// An erlmcp server with its own tools: what they do is known.
    pub is_ours: bool,
    /// It speaks the legacy era with this run.
    pub is_legacy: bool,
    /// It lists tools.
    pub has_tools: bool,
    /// Lists beside that of its tools, by their methods.
    pub lists: Vec<String>,
    /// The URI of a resource that can be read, and the name of a prompt that wants no argument.
    pub resource: Option<String>,
    pub prompt: Option<String>,
    /// The era that it speaks as well; None: it names no version of it.
    pub other_era: Option<Era>,
}

/// How a change is made that streams tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeBy {
    /// The cluster's control socket says that the tools are others.
    ControlSocket,
    /// The user's tool.
    Tool(ToolCall),
}

impl ChangeBy {
    /// As the record has it.
    pub(crate) fn method(&self) -> String {
        match self {
            Self::ControlSocket => "notify on the cluster's control socket".into(),
            Self::Tool(tool) => format!("tools/call {}", tool.name),
        }
    }
}

impl Found {
    /// Why a kind of fault cannot be made; None where it can.
    pub fn lacks(&self, kind: Kind) -> Option<String> {
        self.field.lacks.get(&kind).cloned()
    }

    /// Why the queue of a replica that holds so many connections cannot be flooded; None where it can.
    pub(crate) fn no_flood(&self, held: u64) -> Option<String> {
        let queue = match &self.queue {
            Ok(queue) => queue,
            Err(why) => return Some(why.clone()),
        };
        let calls = (queue.workers + queue.places).div_ceil(u64::from(self.replicas.max(1))) + FLOOD_EXCESS;
        let places = self.visits.connections_of_one?.saturating_sub(held);
        (calls > places).then(|| {
            format!(
                "it takes {calls} connections to flood the queue of a replica, which takes {places} more: start the \
                 cluster with more --max-connections, or a shorter --queue"
            )
        })
    }
}

/// A queued tool of the target and the size of what is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFacts {
    /// Workers of all replicas.
    pub workers: u64,
    /// Places in the queues of all replicas.
    pub places: u64,
}

impl QueueFacts {
    /// Connections that it takes to fill the queue: each has one call under way at most, a quarter of them is kept
    /// for the usual load, and there must be calls left over to be refused.
    pub(crate) fn connections(self) -> u64 {
        let calls = self.workers.saturating_add(self.places);
        calls.saturating_mul(7).div_ceil(4)
    }
}

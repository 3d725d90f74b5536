//! What supervisor and replica say to each other: JSON, one message a line.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::line;
use crate::engine::{Change, Outbox, Server, Updates};
use crate::entry::EntryConfig;
use crate::limits::Limits;
use crate::metrics::{ClusterReference, Snapshot};
use crate::operations::StoreAddress;
use crate::session::{Ended, SessionKey, Word};
use crate::telemetry::TelemetryConfig;

/// The version of what supervisors and replicas say to each other. In an update replicas are of a later version than their
/// supervisor, so that a number means: members and kinds are added to it, and whoever does not know them may pass over them.
/// What must not be passed over gets the next number, and is understood together with the one before for one version.
pub(super) const SPEAKS: u32 = 1;
/// The longest message of a replica.
pub(super) const FROM_REPLICA_BYTES_MAX: usize = 256 * 1_024;
/// The longest message to a replica, and the longest text behind it: the pages of [`REPLICAS_MAX`](super::REPLICAS_MAX) replicas.
pub(super) const TO_REPLICA_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Messages to a replica that may wait; one that leaves so many unread is stuck.
pub(super) const TO_REPLICA_WAITING_MAX: usize = 32;

/// The first message. The listening sockets come with it, the shared ones first, the replica's own last; then the socket by
/// which its connections go to the process that takes its place, and, where it takes the place of one itself, the other end
/// of that one's.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// [`SPEAKS`] of the supervisor.
    #[serde(default)]
    pub(super) speaks: u32,
    pub(super) replica: u16,
    pub(super) supervisor_pid: u32,
    pub(super) shards: usize,
    pub(super) limits: Limits,
    pub(super) allowed_hosts: Vec<String>,
    /// So many of the shared sockets, the last ones, are for the pages of operators.
    pub(super) admin: usize,
    pub(super) entry: EntryConfig,
    #[serde(default)]
    pub(super) telemetry: TelemetryConfig,
    pub(super) cluster: ClusterReference,
    /// Signs the ids of sessions: each replica takes those of all.
    pub(super) session_key: SessionKey,
    /// Where operations are kept.
    pub(super) store: StoreAddress,
    /// It takes the place of a process that still serves.
    pub(super) takes_over: bool,
    /// Its nice value, which is not the supervisor's.
    pub(super) nice: i32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToReplica {
    Membership(Membership),
    /// The shared pages. The text of /metrics follows the line as it is: it is long and full of quotes.
    Pages {
        metrics_bytes: usize,
        status: Value,
        taken_at_ns: u64,
    },
    Changed(ListChange),
    /// Sessions that have ended, and the epoch before which all have. The first message of all is one of these, with
    /// all that are known and all that clients wish: the replica takes no requests before it.
    SessionsEnded {
        batch: u64,
        floor: u32,
        ended: Vec<Ended>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        words: Vec<Word>,
    },
    /// What a session's client has said on another replica.
    Heard(Word),
    /// All replicas know of the sessions that this one has ended.
    AllKnow,
    Drain,
    /// The process that takes its place is ready: connections go there.
    HandOver,
}

/// A message as it is written: made once for all replicas.
pub(super) type Line = Arc<Vec<u8>>;

impl ToReplica {
    pub(super) fn to_line(&self) -> Line {
        Arc::new(line::to_line(self))
    }
}

/// Who belongs to the cluster, and whom this replica has to watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Membership {
    pub(super) members: Vec<Member>,
    /// Replicas that are no members now, and may be again.
    #[serde(default)]
    pub(super) away: Vec<u16>,
    pub(super) watch: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) replica: u16,
    pub(super) address: SocketAddr,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromReplica {
    /// It takes requests.
    Ready,
    /// Its loops turn.
    Beat,
    /// A shard does not: it has taken so long of its own.
    Blocked {
        shard: usize,
        for_ms: u64,
    },
    Snapshot(Box<Snapshot>),
    /// What came of a probe of another replica.
    Probe {
        replica: u16,
        good: bool,
        at_ns: u64,
    },
    Changed(ListChange),
    /// What a session's client has said, for the other replicas.
    Heard(Word),
    /// Clients have ended these sessions. The next such message waits for [`ToReplica::AllKnow`].
    EndSessions(Vec<Ended>),
    /// It has taken a batch of [`ToReplica::SessionsEnded`].
    KnowsEnded {
        batch: u64,
    },
    /// It cannot start, for this reason.
    Failed(String),
    /// It was told to end, and serves on until another process has taken its place.
    Leaving,
    Drained {
        cut: u64,
    },
}

/// What subscribers may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ListChange {
    Tools,
    Prompts,
    Resources,
    /// The resource of this uri is not what it was.
    Updated(String),
    /// So many are not what they were that any may be meant.
    AnyUpdated,
}

/// Resources that are told of one by one; more at once would be lost on the way to a busy replica.
const UPDATED_ONE_BY_ONE: usize = TO_REPLICA_WAITING_MAX / 4;

impl ListChange {
    /// Tells the streams of a replica.
    pub(super) fn tell(self, server: &Server) {
        match self {
            Self::Tools => server.notify(Change::ToolsList),
            Self::Prompts => server.notify(Change::PromptsList),
            Self::Resources => server.notify(Change::ResourcesList),
            Self::Updated(uri) => server.notifier().updated_here(Some(&uri.into())),
            Self::AnyUpdated => server.notifier().updated_here(None),
        }
    }

    /// Leaves it where what is alike is told together.
    pub(super) fn put(self, outbox: &Outbox) {
        match self {
            Self::Tools => outbox.list(Change::ToolsList),
            Self::Prompts => outbox.list(Change::PromptsList),
            Self::Resources => outbox.list(Change::ResourcesList),
            Self::Updated(uri) => outbox.resource(Some(uri.into())),
            Self::AnyUpdated => outbox.resource(None),
        }
    }

    /// All that can change.
    pub(super) const EVERYTHING: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::AnyUpdated];

    /// What a replica has to say to the others.
    pub(super) fn of(lists: u32, updates: &Updates) -> Vec<Self> {
        let mut all = Vec::new();
        for change in Change::ALL.into_iter().filter(|change| lists & (1 << *change as u32) != 0) {
            all.push(match change {
                Change::ToolsList => Self::Tools,
                Change::PromptsList => Self::Prompts,
                Change::ResourcesList => Self::Resources,
            });
        }
        match updates.uris() {
            Some(uris) if uris.len() <= UPDATED_ONE_BY_ONE => {
                all.extend(uris.iter().map(|uri| Self::Updated(uri.to_string())));
            }
            _ => all.push(Self::AnyUpdated),
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first word of a supervisor of the first version, which said no number.
    const HELLO: &str = r#"{"replica":2,"supervisor_pid":1,"shards":1,"limits":{"workers":7},"allowed_hosts":["a"],"admin":0,
        "entry":{"tls":null,"tokens":null,"jwt":null,"scopes":[],"resource":null,"authorization_servers":[]},
        "cluster":{"control":"c","port":1,"replicas":3},
        "session_key":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32],
        "store":{"socket":"s","base":1,"number":2,"after_another":false},"takes_over":true,"nice":0}"#;

    /// A supervisor is a version behind its replicas in an update: what it says is understood, and what they say to it.
    #[test]
    fn messages_of_the_first_version_are_understood() {
        let hello: Hello = serde_json::from_str(HELLO).expect("it was a good one");
        assert_eq!((hello.speaks, hello.limits.workers, hello.takes_over), (0, 7, true));
        for text in [
            r#"{"membership":{"members":[{"replica":1,"address":"127.0.0.11:80"}],"watch":[]}}"#,
            r#"{"pages":{"metrics_bytes":3,"status":{},"taken_at_ns":5}}"#,
            r#"{"changed":"tools"}"#,
            r#"{"sessions_ended":{"batch":1,"floor":2,"ended":[{"epoch":3,"id":4}]}}"#,
            r#"{"heard":{"session":1,"expires":2,"said":{"cancelled":"3"}}}"#,
            r#""all_know""#,
            r#""drain""#,
            r#""hand_over""#,
        ] {
            assert!(serde_json::from_str::<ToReplica>(text).is_ok(), "{text}");
        }
        for (text, message) in [
            (r#""ready""#, FromReplica::Ready),
            (r#""beat""#, FromReplica::Beat),
            (
                r#"{"probe":{"replica":2,"good":true,"at_ns":3}}"#,
                FromReplica::Probe { replica: 2, good: true, at_ns: 3 },
            ),
            (r#"{"changed":{"updated":"a"}}"#, FromReplica::Changed(ListChange::Updated("a".into()))),
            (r#"{"end_sessions":[{"epoch":3,"id":4}]}"#, FromReplica::EndSessions(vec![Ended { epoch: 3, id: 4 }])),
            (r#"{"knows_ended":{"batch":1}}"#, FromReplica::KnowsEnded { batch: 1 }),
            (r#"{"failed":"a"}"#, FromReplica::Failed("a".into())),
            (r#""leaving""#, FromReplica::Leaving),
            (r#"{"drained":{"cut":1}}"#, FromReplica::Drained { cut: 1 }),
        ] {
            assert_eq!(serde_json::to_string(&message).expect("it is plain"), text);
        }
    }

    #[test]
    fn many_resources_are_told_of_as_any() {
        let mut updates = Updates::default();
        assert_eq!(ListChange::of(1 << Change::PromptsList as u32, &updates), [ListChange::Prompts]);
        updates.add("a".into());
        assert_eq!(ListChange::of(0, &updates), [ListChange::Updated("a".to_string())]);
        (0..UPDATED_ONE_BY_ONE).for_each(|number| updates.add(number.to_string().into()));
        assert_eq!(ListChange::of(0, &updates), [ListChange::AnyUpdated]);
    }
}

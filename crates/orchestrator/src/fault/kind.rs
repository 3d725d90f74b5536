use std::time::Duration;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Kill,
    CrashLoop,
    Terminate,
    RollingRestart,
    Supervisor,
    Pause,
    Partition,
    PartitionIn,
    PartitionOut,
    Reset,
    Loss,
    Cpu,
    Memory,
    Descriptors,
    Latency,
    LatencyIn,
    LatencyOut,
    Bandwidth,
    Slicing,
    BlackHole,
    Cut,
    StoreKilled,
    StoreSlow,
    StoreFull,
    /// All clients, or a share of them, close and come back at the same instant.
    ThunderingReconnect,
    /// All clients have an outage; what fails in it, they all try again when it is over.
    RetryStorm,
    /// Connections beside the others: half of them send a request a byte a second, the others ask and read no answer.
    SlowClients,
    /// The user's own commands do it.
    Command,
}

/// What has to be there for a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Signals to the replicas' processes.
    Processes,
    /// The supervisor is the run's own child.
    OwnCluster,
    /// nftables.
    Packets,
    /// A cgroup controller of this name that may be used.
    Group(&'static str),
    /// The fault proxy stands in front of the target.
    Proxy,
    /// The process of the store of operations, and operations that need it.
    Store,
    /// The run's own clients do it: possible with every target.
    Clients,
    Nothing,
}

/// A number that a kind takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// As a fault file names it.
    pub name: &'static str,
    pub default: u64,
    pub min: u64,
    pub max: u64,
}

const fn amount(name: &'static str, default: u64, min: u64, max: u64) -> Option<Amount> {
    Some(Amount { name, default, min, max })
}

/// A partition lasts so long that what finds it late finds it too.
const CUT_OFF: Duration = Duration::from_secs(5);
const DISTURBED: Duration = Duration::from_secs(4);
/// Longer than an erlmcp server waits for a request's head.
const SLOW: Duration = Duration::from_secs(15);
/// Less than the time after which an erlmcp cluster kills a process that stands still.
const STANDS_STILL: Duration = Duration::from_millis(1_500);

impl Kind {
    pub const ALL: [Kind; 28] = [
        Kind::Kill,
        Kind::CrashLoop,
        Kind::Terminate,
        Kind::RollingRestart,
        Kind::Supervisor,
        Kind::Pause,
        Kind::Partition,
        Kind::PartitionIn,
        Kind::PartitionOut,
        Kind::Reset,
        Kind::Loss,
        Kind::Cpu,
        Kind::Memory,
        Kind::Descriptors,
        Kind::Latency,
        Kind::LatencyIn,
        Kind::LatencyOut,
        Kind::Bandwidth,
        Kind::Slicing,
        Kind::BlackHole,
        Kind::Cut,
        Kind::StoreKilled,
        Kind::StoreSlow,
        Kind::StoreFull,
        Kind::ThunderingReconnect,
        Kind::RetryStorm,
        Kind::SlowClients,
        Kind::Command,
    ];

    /// As fault files and records name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Kill => "kill",
            Kind::CrashLoop => "crash_loop",
            Kind::Terminate => "terminate",
            Kind::RollingRestart => "rolling_restart",
            Kind::Supervisor => "supervisor",
            Kind::Pause => "pause",
            Kind::Partition => "partition",
            Kind::PartitionIn => "partition_in",
            Kind::PartitionOut => "partition_out",
            Kind::Reset => "reset",
            Kind::Loss => "loss",
            Kind::Cpu => "cpu",
            Kind::Memory => "memory",
            Kind::Descriptors => "descriptors",
            Kind::Latency => "latency",
            Kind::LatencyIn => "latency_in",
            Kind::LatencyOut => "latency_out",
            Kind::Bandwidth => "bandwidth",
            Kind::Slicing => "slicing",
            Kind::BlackHole => "black_hole",
            Kind::Cut => "cut",
            Kind::StoreKilled => "store_killed",
            Kind::StoreSlow => "store_slow",
            Kind::StoreFull => "store_full",
            Kind::ThunderingReconnect => "thundering_reconnect",
            Kind::RetryStorm => "retry_storm",
            Kind::SlowClients => "slow_clients",
            Kind::Command => "command",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        let name = name.replace('-', "_");
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What a person who watches is told while it begins.
    pub(crate) fn doing(self) -> &'static str {
        match self {
            Kind::Kill => "killing",
            Kind::CrashLoop => "killing again and again",
            Kind::Terminate => "telling to end (SIGTERM)",
            Kind::RollingRestart => "restarting one after another",
            Kind::Supervisor => "killing the supervisor of",
            Kind::Pause => "stopping",
            Kind::Partition => "cutting off",
            Kind::PartitionIn => "dropping what is sent to",
            Kind::PartitionOut => "dropping what is sent by",
            Kind::Reset => "resetting connections of",
            Kind::Loss => "losing packets of",
            Kind::Cpu => "starving of CPU",
            Kind::Memory => "starving of memory",
            Kind::Descriptors => "starving of descriptors",
            Kind::Latency => "delaying traffic of",
            Kind::LatencyIn => "delaying what is sent to",
            Kind::LatencyOut => "delaying what is sent by",
            Kind::Bandwidth => "narrowing the link of",
            Kind::Slicing => "slicing the traffic of",
            Kind::BlackHole => "swallowing answers of",
            Kind::Cut => "cutting connections of",
            Kind::StoreKilled => "killing",
            Kind::StoreSlow => "slowing down",
            Kind::StoreFull => "taking all room from",
            Kind::ThunderingReconnect => "reconnecting all at once the clients of",
            Kind::RetryStorm => "cutting off for a moment all clients of",
            Kind::SlowClients => "opening slow connections to",
            Kind::Command => "running the user's commands against",
        }
    }

    pub fn needs(self) -> Needs {
        match self {
            Kind::Kill | Kind::CrashLoop | Kind::Terminate | Kind::RollingRestart => Needs::Processes,
            Kind::Pause | Kind::Descriptors => Needs::Processes,
            Kind::Supervisor => Needs::OwnCluster,
            Kind::Partition | Kind::PartitionIn | Kind::PartitionOut | Kind::Reset | Kind::Loss => Needs::Packets,
            Kind::Cpu => Needs::Group("cpu"),
            Kind::Memory => Needs::Group("memory"),
            Kind::Latency | Kind::LatencyIn | Kind::LatencyOut => Needs::Proxy,
            Kind::Bandwidth | Kind::Slicing | Kind::BlackHole | Kind::Cut => Needs::Proxy,
            Kind::StoreKilled | Kind::StoreSlow | Kind::StoreFull => Needs::Store,
            Kind::ThunderingReconnect | Kind::RetryStorm | Kind::SlowClients => Needs::Clients,
            Kind::Command => Needs::Nothing,
        }
    }

    /// The number that it takes, where it takes one.
    pub fn amount(self) -> Option<Amount> {
        match self {
            Kind::CrashLoop => amount("times", 3, 2, 5),
            // Of all connections.
            Kind::ThunderingReconnect => amount("percent", 100, 1, 100),
            // Of the outage.
            Kind::RetryStorm => amount("ms", 500, 100, 2_000),
            Kind::SlowClients => amount("connections", 100, 1, 10_000),
            Kind::Loss => amount("percent", 5, 1, 99),
            // Of one core.
            Kind::Cpu => amount("percent", 10, 1, 1_000),
            // New memory, beyond what it has.
            Kind::Memory => amount("mib", 4, 1, 65_536),
            // New descriptors, beyond those that are open.
            Kind::Descriptors => amount("more", 0, 0, 1_000_000),
            Kind::Latency | Kind::LatencyIn | Kind::LatencyOut => amount("ms", 50, 1, 60_000),
            Kind::Bandwidth => amount("bytes_a_second", 20_000, 100, 1_000_000_000),
            Kind::Slicing => amount("bytes", 16, 1, 65_536),
            // Of an answer, before nothing more comes.
            Kind::BlackHole | Kind::Cut => amount("bytes", 40, 0, 1_000_000),
            // It stands still for so long, again and again.
            Kind::StoreSlow => amount("ms", 300, 10, 1_500),
            _ => None,
        }
    }

    /// How long it is in force where nobody says otherwise; None: it happens, and there is nothing to heal.
    pub fn hold(self) -> Option<Duration> {
        match self {
            Kind::Kill | Kind::CrashLoop | Kind::Terminate | Kind::RollingRestart => None,
            Kind::ThunderingReconnect | Kind::RetryStorm => None,
            Kind::Pause => Some(STANDS_STILL),
            Kind::Partition | Kind::PartitionIn | Kind::PartitionOut => Some(CUT_OFF),
            // From then on they are seen to come back.
            Kind::SlowClients => Some(SLOW),
            Kind::Supervisor | Kind::StoreKilled => Some(Duration::ZERO),
            _ => Some(DISTURBED),
        }
    }

    /// The cluster is expected to put its targets out of membership.
    pub fn takes_out(self) -> bool {
        matches!(
            self,
            Kind::Kill | Kind::CrashLoop | Kind::Partition | Kind::PartitionIn | Kind::PartitionOut | Kind::Reset
        )
    }

    /// It is done in order: no request is to be lost or refused by it.
    pub fn is_lossless(self) -> bool {
        matches!(self, Kind::Terminate | Kind::RollingRestart)
    }

    /// How often its target's process ends by it, at most.
    pub(crate) fn deaths(self, amount: u64) -> u64 {
        match self {
            Kind::Kill | Kind::Terminate | Kind::RollingRestart | Kind::Memory => 1,
            Kind::CrashLoop => amount,
            _ => 0,
        }
    }

    /// The run's own clients do it, and to no replica in particular.
    pub fn is_of_clients(self) -> bool {
        self.needs() == Needs::Clients
    }

    /// It is done to the store, and to no replica.
    pub fn is_of_store(self) -> bool {
        self.needs() == Needs::Store
    }

    /// It is about the whole cluster, whatever targets are asked for.
    pub fn is_of_all(self) -> bool {
        matches!(self, Kind::RollingRestart | Kind::Supervisor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert!(kind.amount().is_none_or(|amount| (amount.min..=amount.max).contains(&amount.default)), "{kind:?}");
        }
        assert_eq!(Kind::named("rolling-restart"), Some(Kind::RollingRestart));
        assert_eq!(Kind::named("kil"), None);
    }
}

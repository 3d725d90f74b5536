//! Is there enough of this machine for what was asked? Arithmetic only, before anything is started.

use erlmcp_report::{bytes, plural};

use crate::doctor::Readings;
use crate::plan::agents_for;
use crate::{REPLICAS, StressConfig, StressError};

/// Descriptors that a replica keeps for itself: listeners, workers, control, peers' probes.
const REPLICA_DESCRIPTORS: u64 = 512;
/// Descriptors that an agent keeps for itself.
const AGENT_DESCRIPTORS: u64 = 512;
/// Descriptors without which no process of a run can do anything.
const PROCESS_DESCRIPTORS: u64 = 640;
/// Descriptors of the process that runs it all: its own, and those for each of the others.
const OWN_DESCRIPTORS: u64 = 128;
const CHILD_DESCRIPTORS: u64 = 4;
/// What the kernel needs for one end of an idle TCP connection: socket, inode, file, poll entry.
const KERNEL_BYTES: u64 = 4 << 10;
/// What a server or an agent of ours needs for one end.
const USER_BYTES: u64 = 1 << 10;
/// What a process of ours needs at rest, its histograms and buffers included.
const PROCESS_BYTES: u64 = 24 << 20;
/// Left to the rest of the machine.
const RESERVE_BYTES: u64 = 256 << 20;

/// What this machine gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Hard limit of a process.
    pub(crate) descriptors: u64,
    pub(crate) cores: u32,
    /// Bytes; None: the system does not say.
    pub(crate) memory: Option<u64>,
}

/// How many processes a run starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crew {
    pub(crate) agents: u32,
    /// Of the run's own cluster; None: it has none.
    pub(crate) replicas: Option<u16>,
}

impl Room {
    /// What cannot be read forbids nothing.
    pub(crate) fn of(readings: &Readings) -> Self {
        Self {
            descriptors: readings.descriptors.map_or(u64::MAX, |(_, hard)| hard),
            cores: readings.cores_left().unwrap_or(1),
            memory: readings.memory_left(),
        }
    }

    /// Agents and replicas for what was asked.
    ///
    /// # Errors
    /// Where the user asked for too few of them to hold the connections, or the system gives too few descriptors.
    pub(crate) fn crew(&self, config: &StressConfig) -> Result<Crew, StressError> {
        let connections = config.sockets();
        if self.descriptors < PROCESS_DESCRIPTORS {
            return Err(StressError::failed(format!(
                "a process has at most {} descriptors here, and needs {PROCESS_DESCRIPTORS} to hold connections: raise \
                 the hard limit of descriptors (ulimit -Hn)",
                self.descriptors
            )));
        }
        let agents = match config.agents {
            None => agents_for((config.connections(), connections), config.rate(), self.descriptors, self.cores),
            // What those can hold, they say.
            Some(agents) if config.joining.is_some() => agents,
            Some(agents) => self.enough("--agents", u64::from(agents), connections, AGENT_DESCRIPTORS)? as u32,
        };
        let replicas = match (&config.target, config.replicas) {
            (Some(_), _) => None,
            (None, None) => Some(self.replicas_for(connections)?),
            (None, Some(replicas)) => {
                Some(self.enough("--replicas", u64::from(replicas), connections, REPLICA_DESCRIPTORS)? as u16)
            }
        };
        let children = u64::from(agents) + u64::from(replicas.unwrap_or(0));
        if OWN_DESCRIPTORS + children * CHILD_DESCRIPTORS > self.descriptors {
            return Err(StressError::failed(format!(
                "{connections} connections need {children} processes at {} descriptors each, more than one process can \
                 look after: raise the hard limit of descriptors (ulimit -Hn), or ask for fewer connections",
                self.descriptors
            )));
        }
        Ok(Crew { agents, replicas })
    }

    /// Twelve, or as many as hold all connections when one of them is down.
    fn replicas_for(&self, connections: u64) -> Result<u16, StressError> {
        let needed = connections.div_ceil(self.each(REPLICA_DESCRIPTORS)) + 1;
        u16::try_from(needed.max(u64::from(REPLICAS))).map_err(|_| {
            StressError::failed(format!(
                "{connections} connections need {needed} replicas at {} descriptors a process: raise the hard limit \
                 of descriptors (ulimit -Hn), or ask for fewer connections",
                self.descriptors
            ))
        })
    }

    fn each(&self, kept: u64) -> u64 {
        self.descriptors.saturating_sub(kept).max(1)
    }

    /// `count`, where so many processes have descriptors for all connections.
    fn enough(&self, flag: &str, count: u64, connections: u64, kept: u64) -> Result<u64, StressError> {
        let each = self.each(kept);
        if count.saturating_mul(each) >= connections {
            return Ok(count);
        }
        Err(StressError::usage(format!(
            "{flag} {count} hold at most {} connections, not {connections}: a process has {} descriptors here, \
             {each} of them for connections; use {flag} {} or more, or ask for fewer connections",
            count.saturating_mul(each),
            self.descriptors,
            connections.div_ceil(each)
        )))
    }

    /// Checks that a running cluster has descriptors for all connections.
    ///
    /// # Errors
    /// Says how to scale it.
    pub(crate) fn check_attached(&self, replicas: u64, connections: u64) -> Result<(), StressError> {
        let each = self.each(REPLICA_DESCRIPTORS);
        if replicas * each >= connections {
            return Ok(());
        }
        Err(StressError::failed(format!(
            "the cluster's {replicas} replicas hold at most {} connections, not {connections}: use \
             `erlmcp cluster scale {}`, or ask for fewer connections",
            replicas * each,
            self.replicas_to_hold(connections)
        )))
    }

    /// As few replicas as have descriptors for so many connections.
    pub(crate) fn replicas_to_hold(&self, connections: u64) -> u64 {
        connections.div_ceil(self.each(REPLICA_DESCRIPTORS))
    }

    /// Checks the memory that connections need, kernel included, where both ends or only ours are here.
    ///
    /// # Errors
    /// With the estimate and what there is.
    pub(crate) fn check_memory(&self, connections: u64, crew: Crew, both_ends: bool) -> Result<(), StressError> {
        let Some(memory) = self.memory else { return Ok(()) };
        if needed(connections, crew, both_ends) <= memory {
            return Ok(());
        }
        let possible = self.connections_in_memory(connections, crew, both_ends);
        Err(StressError::failed(format!(
            "{}, and {} of memory are available: free some, or ask for at most {possible} connections",
            self.cost(connections, crew, both_ends),
            bytes(memory as f64)
        )))
    }

    /// What so many connections take of this machine, in one line, where both ends or only ours are here.
    pub(crate) fn cost(&self, connections: u64, crew: Crew, both_ends: bool) -> String {
        let (a_connection, fixed) = shares(crew, both_ends);
        let (ends, both) = if both_ends { (2, ", both ends") } else { (1, "") };
        format!(
            "{} would take about {} of memory here ({} each{both}, the kernel's included, and {} for processes and the \
             rest of the machine) and {} ({} a process at most)",
            plural(connections, "connection"),
            bytes(needed(connections, crew, both_ends) as f64),
            bytes(a_connection as f64),
            bytes(fixed as f64),
            plural(connections.saturating_mul(ends), "descriptor"),
            if self.descriptors == u64::MAX { "any number".into() } else { self.descriptors.to_string() }
        )
    }

    /// As many of these connections as there is memory for. Fewer connections need fewer processes, too.
    pub(crate) fn connections_in_memory(&self, connections: u64, crew: Crew, both_ends: bool) -> u64 {
        let wanted = needed(connections, crew, both_ends) - RESERVE_BYTES;
        let room = self.memory.unwrap_or(u64::MAX).saturating_sub(RESERVE_BYTES);
        (u128::from(connections) * u128::from(room) / u128::from(wanted.max(1))).min(u128::from(connections)) as u64
    }
}

/// Bytes a connection; bytes whatever the connections are.
fn shares(crew: Crew, both_ends: bool) -> (u64, u64) {
    let ends = if both_ends { 2 } else { 1 };
    let processes = u64::from(crew.agents) + u64::from(crew.replicas.unwrap_or(0));
    (ends * (KERNEL_BYTES + USER_BYTES), processes * PROCESS_BYTES + RESERVE_BYTES)
}

/// Bytes for so many connections and all processes.
fn needed(connections: u64, crew: Crew, both_ends: bool) -> u64 {
    let (a_connection, fixed) = shares(crew, both_ends);
    connections.saturating_mul(a_connection).saturating_add(fixed)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::tests::plain;

    const ROOM: Room = Room { descriptors: 20_000, cores: 2, memory: Some(8_000_000_000) };

    fn crew(connections: u64, change: impl FnOnce(&mut StressConfig)) -> Result<Crew, StressError> {
        let mut config = StressConfig { connections: Some(connections), ..plain() };
        change(&mut config);
        ROOM.crew(&config)
    }

    #[test]
    fn twelve_replicas_are_enough_for_the_default_run() {
        assert_eq!(crew(100_000, |_| {}), Ok(Crew { agents: 6, replicas: Some(12) }));
        assert_eq!(crew(1_000, |_| {}), Ok(Crew { agents: 1, replicas: Some(12) }));
    }

    #[test]
    fn a_million_gets_as_many_replicas_as_hold_it_with_one_down() {
        let crew = crew(1_000_000, |_| {}).expect("fine");
        assert_eq!(crew.replicas, Some(53));
    }

    #[test]
    fn what_the_user_asks_for_must_hold_the_connections() {
        assert_eq!(crew(100_000, |c| c.replicas = Some(6)).map(|crew| crew.replicas), Ok(Some(6)));
        let too_few = crew(100_000, |c| c.replicas = Some(5)).expect_err("5 x 19,488 < 100,000");
        assert_eq!(too_few.exit_code(), 2);
        assert!(too_few.to_string().contains("use --replicas 6 or more"), "{too_few}");
        let too_few = crew(100_000, |c| c.agents = Some(2)).expect_err("2 x 19,488 < 100,000");
        assert!(too_few.to_string().contains("--agents 2 hold at most 38976 connections"), "{too_few}");
    }

    #[test]
    fn a_running_cluster_must_hold_the_connections() {
        assert_eq!(ROOM.check_attached(6, 100_000), Ok(()));
        let error = ROOM.check_attached(5, 100_000).expect_err("5 x 19,488 < 100,000");
        assert!(error.to_string().contains("cluster scale 6"), "{error}");
    }

    #[test]
    fn too_few_descriptors_for_any_process_are_said_first() {
        for (descriptors, target) in [(100, None), (600, Some("http://a".to_string())), (1_024, None)] {
            let room = Room { descriptors, ..ROOM };
            let config = StressConfig { target, connections: Some(200_000), ..plain() };
            let error = room.crew(&config).expect_err("too few");
            assert_eq!(error.exit_code(), 1);
            assert!(error.to_string().contains("limit of descriptors (ulimit -Hn)"), "{error}");
        }
    }

    #[test]
    fn a_target_of_the_users_needs_no_replicas() {
        assert_eq!(crew(500, |c| c.target = Some("http://a".into())), Ok(Crew { agents: 1, replicas: None }));
    }

    #[test]
    fn memory_is_counted_for_both_ends_where_both_are_here() {
        let (crew, far) = (Crew { agents: 6, replicas: Some(12) }, Crew { agents: 6, replicas: None });
        assert_eq!(ROOM.check_memory(100_000, crew, true), Ok(()));
        assert_eq!(ROOM.check_memory(1_400_000, far, false), Ok(()));
        let error = ROOM.check_memory(1_000_000, crew, true).expect_err("10 GB of 8");
        assert_eq!(error.exit_code(), 1);
        let possible = |error: &StressError| -> u64 {
            let said = error.to_string();
            let (_, number) = said.rsplit_once("at most ").expect("it says what is possible");
            number.trim_end_matches(" connections").parse().expect("a number")
        };
        let fits = possible(&error);
        assert!((700_000..800_000).contains(&fits), "{error}");
        assert_eq!(ROOM.check_memory(fits - fits / 20, crew, true), Ok(()));
        let many = Crew { agents: 514, replicas: Some(515) };
        let error = ROOM.check_memory(10_000_000, many, true).expect_err("128 GB of 8");
        assert!((500_000..800_000).contains(&possible(&error)), "processes grow with connections: {error}");
    }

    #[test]
    fn what_connections_cost_is_one_line() {
        let crew = Crew { agents: 6, replicas: Some(12) };
        assert_eq!(
            ROOM.cost(100_000, crew, true),
            "100,000 connections would take about 1.63 GiB of memory here (10.00 KiB each, both ends, the kernel's \
             included, and 688.00 MiB for processes and the rest of the machine) and 200,000 descriptors (20000 a process \
             at most)"
        );
        let far = ROOM.cost(1_000, Crew { agents: 1, replicas: None }, false);
        assert!(far.contains("(5.00 KiB each, the kernel's included") && far.contains("1,000 descriptors"), "{far}");
        let error = ROOM.check_memory(1_000_000, crew, true).expect_err("10 GB of 8");
        assert!(error.to_string().starts_with(&ROOM.cost(1_000_000, crew, true)), "{error}");
    }

    #[test]
    fn unknown_memory_forbids_nothing() {
        let room = Room { memory: None, ..ROOM };
        assert_eq!(room.check_memory(u64::MAX / 2, Crew { agents: 1, replicas: None }, true), Ok(()));
    }

    #[test]
    fn this_machine_says_what_it_has() {
        let room = Room::of(&Readings::of(Path::new("/"), None));
        assert!(room.memory.is_some_and(|bytes| bytes > 0) && room.cores > 0 && room.descriptors > 0);
    }
}

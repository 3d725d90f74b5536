use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_record::names::phase;

use super::{Purpose, StressConfig};
use crate::StressError;
use crate::target::is_loopback;

/// Agents that are started elsewhere and join the run, in place of processes of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Joining {
    /// Where they dial in. On loopback they are of this machine.
    pub listen: SocketAddr,
    /// What they must show.
    pub token: String,
    /// How long they are waited for.
    pub wait: Duration,
    /// None: their lines are not encrypted.
    pub tls: Option<JoiningTls>,
}

/// How the lines of agents are encrypted; each is PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct JoiningTls {
    pub certificate: String,
    pub key: String,
    /// Whose certificates agents must have; None: the token alone says who they are.
    pub agents_ca: Option<String>,
}

/// Without what is secret.
impl fmt::Debug for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Joining({}, {:?}, encrypted: {})", self.listen, self.wait, self.tls.is_some())
    }
}

/// A shorter one could be guessed.
const TOKEN_MIN: usize = 16;
/// Requests of a run whose record keeps every latency, at most.
const RAW_MAX: f64 = 1e6;

impl StressConfig {
    /// The agents may be on other machines.
    pub(crate) fn agents_are_elsewhere(&self) -> bool {
        self.joining.as_ref().is_some_and(|joining| !is_loopback(joining.listen.ip()))
    }

    pub(super) fn check_agents(&self) -> Result<(), StressError> {
        self.check_raw_latencies()?;
        let Some(joining) = &self.joining else { return Ok(()) };
        let what = match joining {
            _ if self.agents.is_none() => "--agents-listen waits for agents: say how many with --agents",
            _ if joining.token.len() < TOKEN_MIN => {
                "the file of --agents-token-file holds a token that could be guessed: take 16 characters or more"
            }
            _ if self.target.is_none() && self.agents_are_elsewhere() => {
                "--agents-listen lets agents of other machines in, which cannot reach a cluster on this one's loopback: \
                 name the server's URL, or listen on 127.0.0.1"
            }
            _ => return Ok(()),
        };
        Err(StressError::usage(what))
    }

    /// Faults, bursts and searches send for as long as they take: how many requests there will be is known of a sustained load alone.
    fn check_raw_latencies(&self) -> Result<(), StressError> {
        if !self.raw_latencies {
            return Ok(());
        }
        let chosen = self.chosen_phases()?;
        let others = [phase::FAILURE_RECOVERY, phase::PERFORMANCE_SCENARIOS];
        if self.purpose != Purpose::Stress
            || phase::STRESS.iter().zip(chosen).any(|(name, is)| is && others.contains(name))
        {
            return Err(StressError::usage(
                "--raw-latencies is for stress with a sustained load alone: leave it out, or add --phases 1,2,3,6",
            ));
        }
        // Each connection has its first answer and its part of the closing sweep, too.
        let requests = self.rate() * self.duration().as_secs_f64() + 2.0 * self.connections() as f64;
        if requests > RAW_MAX {
            return Err(StressError::usage(format!(
                "--raw-latencies keeps each of {requests:.0} latencies, and is for runs of at most {RAW_MAX}: leave it \
                 out, or ask for less"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::plain;

    fn joining(listen: &str) -> Joining {
        let (listen, token) = (listen.parse().expect("an address"), "0123456789abcdef".into());
        Joining { listen, token, wait: Duration::from_secs(1), tls: None }
    }

    fn refused(config: &StressConfig) -> String {
        config.check().expect_err("refused").to_string()
    }

    #[test]
    fn agents_of_other_machines_need_a_target_that_they_can_reach() {
        let far = StressConfig { joining: Some(joining("0.0.0.0:7400")), agents: Some(2), ..plain() };
        assert!(refused(&StressConfig { target: None, ..far.clone() }).contains("name the server's URL"));
        assert_eq!(StressConfig { target: Some("http://192.0.2.1".into()), ..far }.check(), Ok(()));
        let near = StressConfig { joining: Some(joining("127.0.0.1:7400")), agents: Some(2), ..plain() };
        assert_eq!(StressConfig { target: None, ..near.clone() }.check(), Ok(()));
        assert!(refused(&StressConfig { agents: None, ..near }).contains("--agents"));
    }

    #[test]
    fn a_token_is_not_short_and_never_shown() {
        let short = Joining { token: "s3cret".into(), ..joining("127.0.0.1:7400") };
        assert!(!format!("{short:?}").contains("s3cret"));
        let said = refused(&StressConfig { joining: Some(short), agents: Some(2), ..plain() });
        assert!(said.contains("guessed") && !said.contains("s3cret"), "{said}");
    }

    #[test]
    fn every_latency_is_kept_of_small_runs_only() {
        let phases = ["1", "2", "3", "6"].map(String::from).to_vec();
        let kept = StressConfig { raw_latencies: true, rate: Some(100.0), phases, ..plain() };
        assert_eq!(kept.check(), Ok(()));
        // 720,000 of the load, and two of each connection.
        let rate = Some(12_000.0);
        assert_eq!(StressConfig { rate, connections: Some(100_000), ..kept.clone() }.check(), Ok(()));
        assert!(refused(&StressConfig { rate, connections: Some(150_000), ..kept.clone() }).contains("1020000"));
        // Of these it is not known how many there will be.
        assert!(refused(&StressConfig { phases: Vec::new(), ..kept.clone() }).contains("--phases 1,2,3,6"));
        for purpose in [Purpose::Comprehensive { steps: Vec::new() }, Purpose::Chaos] {
            assert!(refused(&StressConfig { purpose, ..kept.clone() }).contains("for stress"));
        }
    }
}

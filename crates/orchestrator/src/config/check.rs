use std::time::Duration;

use erlmcp_report::nearest;
use erlmcp_report::verdict::thresholds;

use super::StressConfig;
use crate::StressError;
use crate::plan::Capacity;

/// More than this cannot be held by one machine's agents.
const CONNECTIONS_MAX: u64 = 10_000_000;
/// Each step of the load scaling is some seconds of load.
const STEPS_MAX: usize = 12;
/// Above this a second the pacing's own clock is the limit.
const RATE_MAX: f64 = 10_000_000.0;
/// The record's histograms end at ten minutes.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);
const DURATION_MIN: Duration = Duration::from_millis(100);
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

impl StressConfig {
    /// Refuses what cannot be run, in one sentence. What depends on the target is checked when that is known.
    pub fn check(&self) -> Result<(), StressError> {
        self.check_amounts()?;
        self.check_times()?;
        self.check_target()?;
        self.check_agents()?;
        self.check_calls()?;
        self.purpose.capacity().map_or(Ok(()), Capacity::check)?;
        self.chosen_phases().map(|_| ())
    }

    fn check_amounts(&self) -> Result<(), StressError> {
        if !(1..=CONNECTIONS_MAX).contains(&self.connections()) {
            return usage(format!("connections must be from 1 to {CONNECTIONS_MAX}, not {}", self.connections()));
        }
        if let Some(step) = self.steps().into_iter().find(|step| !(1..=CONNECTIONS_MAX).contains(step)) {
            return usage(format!("--steps must be from 1 to {CONNECTIONS_MAX} connections each, not {step}"));
        }
        if self.steps().len() > STEPS_MAX {
            return usage(format!("--steps takes at most {STEPS_MAX} steps"));
        }
        if self.streams > CONNECTIONS_MAX {
            return usage(format!("--streams must be at most {CONNECTIONS_MAX}, not {}", self.streams));
        }
        for (flag, rate) in [("--rate", self.rate()), ("--ramp-rate", self.ramp_rate)] {
            if !(rate > 0.0 && rate <= RATE_MAX) {
                return usage(format!("{flag} must be above 0 and at most {RATE_MAX} a second, not {rate}"));
            }
        }
        if self.agents == Some(0) || self.replicas == Some(0) {
            return usage("--agents and --replicas must be 1 or more");
        }
        if self.agents.is_some_and(|agents| u64::from(agents) > self.connections()) {
            return usage("--agents must not be more than the connections: each agent holds at least one");
        }
        for (name, value) in &self.thresholds {
            if !thresholds().iter().any(|known| known.id == name) {
                let names = thresholds().iter().map(|known| known.id);
                return usage(format!("there is no limit {name:?}: {}", nearest::instead(name, names)));
            }
            if !(value.is_finite() && *value >= 0.0) {
                return usage(format!("the limit {name} must be a number from 0, not {value}"));
            }
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), StressError> {
        if !(DURATION_MIN..=DURATION_MAX).contains(&self.duration()) {
            return usage("the duration must be from 100 ms to 7 days");
        }
        if self.warmup() >= self.duration() {
            return usage("--warmup must be shorter than the duration: nothing would be left to judge");
        }
        if !(Duration::from_millis(10)..=TIMEOUT_MAX).contains(&self.timeout) {
            return usage("--timeout must be from 10 ms to 10 min");
        }
        Ok(())
    }

    fn check_target(&self) -> Result<(), StressError> {
        match &self.target {
            Some(_) if self.replicas.is_some() => {
                usage("--replicas is for the run's own cluster: leave it out, or leave the URL out")
            }
            None if self.driver.is_some() => usage("--driver is for a target that runs elsewhere: add its URL"),
            None if self.target_pid.is_some() => {
                usage("--target-pid names the process of a server that you started: add its URL")
            }
            target if !is_https(target.as_deref()) && (self.insecure || !self.ca_pem.is_empty()) => usage(
                "--cacert and --insecure are for a target with https:// in front: leave them out, or correct the URL",
            ),
            _ => Ok(()),
        }
    }

    fn check_calls(&self) -> Result<(), StressError> {
        for (flag, tool) in [("--args", &self.tool), ("--change-args", &self.change_tool)] {
            if let Some(tool) = tool
                && !tool.arguments.is_empty()
                && !serde_json::from_str::<serde_json::Value>(&tool.arguments).is_ok_and(|value| value.is_object())
            {
                return usage(format!("{flag} must be a JSON object, not {}", tool.arguments));
            }
        }
        if let Some(workload) = &self.workload {
            workload.check(self).map_err(StressError::usage)?;
        }
        if self.change_tool.is_some() && self.streams == 0 {
            return usage("--change-tool makes changes for streams to tell of: add --streams, or leave it out");
        }
        for (name, value) in &self.headers {
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(token) || value.bytes().any(|byte| byte < 32 || byte == 127) {
                return usage(format!("--header {name:?} is not a header: write 'Name: value'"));
            }
        }
        Ok(())
    }
}

fn is_https(target: Option<&str>) -> bool {
    target.and_then(|url| url.get(..8)).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

fn usage(what: impl Into<String>) -> Result<(), StressError> {
    Err(StressError::usage(what))
}

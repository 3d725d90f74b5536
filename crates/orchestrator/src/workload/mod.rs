//! `--workload FILE`: what clients do, in place of one call again and again.

mod arrival;
mod compile;
mod describe;
mod expect;
mod file;
mod misbehaving;
mod parse;
mod shipped;
mod target;
mod trace;

use std::time::Duration;

use crate::config::{Era, StressConfig};

pub(crate) use arrival::Arrival;
pub(crate) use compile::Compiled;
pub(crate) use expect::Expected;
pub use file::workload_schema;
pub(crate) use misbehaving::Misbehaving;
pub use shipped::SHIPPED;
pub use trace::{Recording, TraceError, record};

/// What clients do, how often, and what is expected of it. See docs/workloads.md.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// As it was asked for.
    pub(crate) name: String,
    pub(crate) about: String,
    connections: Option<u64>,
    rate: Option<f64>,
    streams: Streams,
    era: Option<Era>,
    own_sessions: bool,
    pub(crate) arrival: Arrival,
    values: Vec<Value>,
    steps: Vec<Step>,
    sessions: Vec<Session>,
    classes: Vec<Class>,
    /// Beside the connections.
    misbehaving: Vec<Misbehaving>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Streams {
    Count(u64),
    /// Of the connections.
    Share(f64),
}

/// What a part of an argument is drawn from.
#[derive(Debug, Clone, PartialEq)]
struct Value {
    of_session: bool,
    of: ValueOf,
}

#[derive(Debug, Clone, PartialEq)]
enum ValueOf {
    /// As JSON.
    Choices(Vec<String>),
    Integer(i64, i64),
    Letters(i64, i64),
    Number,
}

/// One request of a session.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    /// Index of what it is counted as.
    class: usize,
    asks: Asks,
    /// Before it, drawn between these two.
    think: (Duration, Duration),
    /// Of the file; None: it is of a trace.
    line: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
enum Asks {
    /// Whatever the load calls where no workload is given.
    Usual,
    Method {
        method: String,
        name: String,
        arguments: String,
    },
}

/// Steps `first` to `first + count`.
#[derive(Debug, Clone, PartialEq)]
struct Session {
    weight: u32,
    first: usize,
    count: usize,
    /// After it, the mean.
    rest: Duration,
}

/// Steps that are counted and judged together.
#[derive(Debug, Clone, PartialEq)]
struct Class {
    name: String,
    expected: Vec<Expected>,
}

impl Workload {
    /// A workload that ships, by its name, or else that of a file.
    ///
    /// # Errors
    /// Where the file cannot be read, or what is wrong with it and in which line, as a sentence.
    pub fn load(word: &str) -> Result<Self, String> {
        if let Some((_, text)) = SHIPPED.iter().find(|(name, _)| *name == word) {
            return parse::parse(word, text, None);
        }
        let path = std::path::Path::new(word);
        let text = std::fs::read_to_string(path).map_err(|error| {
            let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            format!("cannot read {word}: {error}; name a file, or one of {}", names.join(", "))
        })?;
        parse::parse(word, &text, path.parent())
    }

    /// Says what the command line did not.
    pub(crate) fn fill(&self, config: &mut StressConfig) {
        config.connections = config.connections.or(self.connections);
        let connections = config.connections();
        if config.streams == 0 {
            config.streams = match self.streams {
                Streams::Count(count) => count,
                Streams::Share(share) => (share * connections as f64).round() as u64,
            };
        }
        config.rate = config.rate.or(self.rate).or(self.arrival.rate()).or_else(|| self.natural_rate(connections));
        if let Some(era) = self.era.filter(|_| config.era == Era::Auto) {
            config.era = era;
        }
        config.own_sessions |= self.own_sessions && config.era == Era::Legacy;
    }

    /// Refuses a rate at which clients would have to be in two sessions at once, and what misbehaving clients cannot do.
    pub(crate) fn check(&self, config: &StressConfig) -> Result<(), String> {
        self.check_misbehaving(config)?;
        let Some(most) = self.natural_rate(config.connections()) else { return Ok(()) };
        let rate = config.rate();
        // As it was worked out, and as people round it.
        if rate <= most * 1.01 {
            return Ok(());
        }
        let seconds = self.mean_cycle().as_secs_f64();
        Err(format!(
            "{} clients of the workload {} send at most {most:.1} requests/s, not {rate}: each needs {seconds:.1} s for a \
             session; ask for more connections, a lower --rate, or shorter think times",
            config.connections(),
            self.name
        ))
    }

    fn weights(&self) -> f64 {
        self.sessions.iter().map(|session| f64::from(session.weight)).sum()
    }

    /// The mean over sessions, by their weights.
    fn mean(&self, of: impl Fn(&Session) -> f64) -> f64 {
        self.sessions.iter().map(|session| f64::from(session.weight) * of(session)).sum::<f64>() / self.weights()
    }

    /// Requests of a session.
    fn mean_steps(&self) -> f64 {
        self.mean(|session| session.count as f64)
    }

    fn steps_of(&self, session: &Session) -> &[Step] {
        &self.steps[session.first..session.first + session.count]
    }

    /// From the begin of a session to that of the client's next one.
    fn mean_cycle(&self) -> Duration {
        let think = |step: &Step| (step.think.0 + step.think.1).as_secs_f64() / 2.0;
        let cycle =
            |session: &Session| self.steps_of(session).iter().map(think).sum::<f64>() + session.rest.as_secs_f64();
        Duration::from_secs_f64(self.mean(cycle))
    }

    /// Requests a second of so many clients that go from session to session; None where they take no time.
    fn natural_rate(&self, connections: u64) -> Option<f64> {
        let seconds = self.mean_cycle().as_secs_f64();
        (seconds > 0.0).then(|| connections as f64 * self.mean_steps() / seconds)
    }

    /// Of all requests, those of each class.
    fn shares(&self) -> Vec<f64> {
        let all = self.mean_steps();
        let count = |session: &Session, class: usize| {
            self.steps_of(session).iter().filter(|step| step.class == class).count() as f64
        };
        (0..self.classes.len()).map(|class| self.mean(|session| count(session, class)) / all).collect()
    }
}

#[cfg(test)]
mod tests;

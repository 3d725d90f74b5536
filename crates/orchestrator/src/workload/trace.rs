//! Recorded traces: their file, and how it is made from a log.

mod lines;
mod log;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;

use erlmcp_load::{gaps, proto};
use serde::{Deserialize, Serialize};

use super::{Asks, parse};

use lines::Lines;
pub use log::{Recording, TraceError, record};

/// Of this form; the first line says so.
const VERSION: u32 = 1;
/// Requests of a trace, at most: each agent is told of its part in one message.
const ARRIVALS_MAX: usize = 2_000_000;
/// Different requests of a trace, at most.
const REQUESTS_MAX: usize = 1_024;

/// A trace: what was sent, and when.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TraceFile {
    pub(super) requests: Vec<Recorded>,
    /// Microseconds from the begin, in order, each with the index of its request.
    pub(super) arrivals: Vec<(u64, u32)>,
    /// Then it begins again.
    pub(super) length_us: u64,
}

/// One of the requests of a trace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recorded {
    pub(super) method: String,
    /// The tool, the prompt, or the resource's URI.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    /// A JSON object; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) arguments: String,
}

/// The first line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heading {
    erlmcp_trace: u32,
    length_us: u64,
    requests: Vec<Recorded>,
}

impl TraceFile {
    /// # Errors
    /// What is wrong with it, with its line, as a sentence.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let file = std::fs::File::open(path).map_err(|error| format!("cannot read the trace {name}: {error}"))?;
        let mut lines = Lines::of(BufReader::new(file));
        let unread = |error: std::io::Error| format!("cannot read the trace {name}: {error}");
        let first = lines.next().transpose().map_err(unread)?.unwrap_or_default();
        let heading: Heading = serde_json::from_str(&first).map_err(|_| {
            format!("{name}, line 1: this is no trace; make one from a log with `erlmcp record --from-log LOG`")
        })?;
        let mut trace = Self { requests: heading.requests, arrivals: Vec::new(), length_us: heading.length_us };
        if heading.erlmcp_trace != VERSION {
            return Err(format!(
                "{name} is a trace of form {}, and this erlmcp reads form {VERSION}",
                heading.erlmcp_trace
            ));
        }
        for (number, line) in (2..).zip(lines) {
            let line = line.map_err(unread)?;
            trace.push(&line).map_err(|why| format!("{name}, line {number}: {why}"))?;
        }
        trace.check().map_err(|why| format!("{name}: {why}"))?;
        Ok(trace)
    }

    fn push(&mut self, line: &str) -> Result<(), String> {
        let arrival: (u64, u32) =
            serde_json::from_str(line).map_err(|_| "write [MICROSECONDS, NUMBER OF THE REQUEST]".to_string())?;
        if arrival.1 as usize >= self.requests.len() {
            return Err(format!("there is no request {}: the first line has {}", arrival.1, self.requests.len()));
        }
        if self.arrivals.last().is_some_and(|last| last.0 > arrival.0) || arrival.0 >= self.length_us {
            return Err("times go up, and stay below length_us".into());
        }
        if self.arrivals.len() >= ARRIVALS_MAX {
            return Err(format!("a trace has {ARRIVALS_MAX} requests at most: cut it"));
        }
        self.arrivals.push(arrival);
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if self.arrivals.is_empty() || self.requests.len() > REQUESTS_MAX {
            return Err(format!("a trace has requests, and {REQUESTS_MAX} different ones at most"));
        }
        let of = |request: &Recorded| request.check().map_err(|why| format!("{}: {why}", request.label()));
        self.requests.iter().try_for_each(of)
    }

    fn write(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let heading = Heading { erlmcp_trace: VERSION, length_us: self.length_us, requests: self.requests.clone() };
        writeln!(out, "{}", serde_json::to_string(&heading)?)?;
        self.arrivals.iter().try_for_each(|(at_us, request)| writeln!(out, "[{at_us},{request}]"))?;
        out.flush()
    }

    /// Requests a second, the mean.
    pub(super) fn rate(&self) -> f64 {
        self.arrivals.len() as f64 * 1e6 / self.length_us.max(1) as f64
    }

    /// How often each request comes, at least once.
    pub(super) fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0u32; self.requests.len()];
        self.arrivals.iter().for_each(|(_, request)| counts[*request as usize] += 1);
        counts.into_iter().map(|count| count.max(1)).collect()
    }

    /// Every so manyth arrival: together the agents send all of them.
    pub(super) fn part(&self, agents: u32, index: u32) -> proto::Trace {
        let own = self.arrivals.iter().skip(index as usize).step_by(agents.max(1) as usize);
        let mut last_us = 0;
        let (mut after_us, mut sessions) = (Vec::new(), Vec::new());
        for (at_us, request) in own {
            after_us.push(at_us - last_us);
            sessions.push(*request);
            last_us = *at_us;
        }
        proto::Trace { after_us, sessions, period_us: self.length_us }
    }
}

impl Recorded {
    /// # Errors
    /// Why no step can send it, as a sentence.
    fn check(&self) -> Result<(), String> {
        let Self { method, name, arguments } = self;
        parse::check_method(method)?;
        let is_object = |text: &str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
        if !(arguments.is_empty() || is_object(arguments)) {
            return Err("its arguments are no JSON object".into());
        }
        if [name, arguments].into_iter().any(|text| gaps::looks_like_gap(text)) {
            return Err("it has characters from U+F8F0 to U+F8F2, which no request may have".into());
        }
        Ok(())
    }

    pub(super) fn label(&self) -> String {
        format!("{} {}", self.method, self.name).trim().to_string()
    }

    pub(super) fn asks(&self) -> Asks {
        let Self { method, name, arguments } = self.clone();
        Asks::Method { method, name, arguments }
    }
}

/// Numbers different requests in the order in which they come; where there are too many, the first one with the same
/// method and name stands for the others.
#[derive(Debug, Default)]
struct Numbers {
    known: BTreeMap<Recorded, u32>,
    requests: Vec<Recorded>,
}

impl Numbers {
    /// None where there are too many, and none is like it.
    fn of(&mut self, request: Recorded) -> Option<u32> {
        if let Some(number) = self.known.get(&request) {
            return Some(*number);
        }
        if self.requests.len() < REQUESTS_MAX {
            let number = self.requests.len() as u32;
            self.known.insert(request.clone(), number);
            self.requests.push(request);
            return Some(number);
        }
        let is_like = |other: &Recorded| other.method == request.method && other.name == request.name;
        self.requests.iter().position(is_like).map(|number| number as u32)
    }
}

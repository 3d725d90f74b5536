//! From a log of requests to a trace.

use std::io::{BufRead, Write};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ARRIVALS_MAX, Lines, Numbers, Recorded, TraceFile};

/// Why a log cannot be made into a trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("line {0}: {1}")]
    Line(usize, String),
    #[error("{0}")]
    Whole(String),
    #[error("the trace cannot be written: {0}")]
    Io(#[from] std::io::Error),
}

/// One line of a log. What else it says is left alone.
#[derive(Debug, Deserialize)]
struct Line {
    timestamp: Option<Value>,
    time: Option<Value>,
    ts: Option<Value>,
    at: Option<Value>,
    method: Option<String>,
    tool: Option<String>,
    /// The tool where nothing else names it, for it may be the logger.
    name: Option<String>,
    arguments: Option<Value>,
    params: Option<Map<String, Value>>,
    /// Bytes of the arguments, where those were not logged.
    size: Option<u64>,
}

/// What became of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recording {
    pub requests: u64,
    /// From the first to the last.
    pub seconds: f64,
    /// Lines that are no requests of a load, or have parameters that no trace keeps.
    pub left_out: u64,
}

const SIZE_MAX: u64 = 16 << 20;
/// What fills an argument of a known size.
const FILLING: char = 'x';

/// Makes a trace of a log of JSON lines, each with a timestamp (RFC 3339, or a number of seconds, milliseconds,
/// microseconds or nanoseconds), a method or a tool, and arguments or their size; in the latter case the argument
/// `argument` is filled with so many letters, rounded to a power of two. Lines need not be in order. What no step of a
/// workload could send is left out.
///
/// # Errors
/// Where a line is not of that form, or nothing is left.
pub fn record(log: impl BufRead, argument: &str, out: &mut dyn Write) -> Result<Recording, TraceError> {
    let mut numbers = Numbers::default();
    let mut arrivals = Vec::new();
    let mut left_out = 0;
    for (number, line) in (1..).zip(Lines::of(log)) {
        let wrong = |why: String| TraceError::Line(number, why);
        let line = line.map_err(|error| wrong(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let Some((at_us, request)) = entry(&line, argument).map_err(wrong)? else {
            left_out += 1;
            continue;
        };
        if arrivals.len() >= ARRIVALS_MAX {
            return Err(wrong(format!("a trace has {ARRIVALS_MAX} requests at most: cut the log before this line")));
        }
        let request = numbers.of(request).ok_or_else(|| wrong("there are too many different requests".into()))?;
        arrivals.push((at_us, request));
    }
    arrivals.sort_by_key(|(at_us, _)| *at_us);
    let (Some(first), Some(last)) = (arrivals.first().copied(), arrivals.last().copied()) else {
        return Err(TraceError::Whole("the log has no requests that a load could send".into()));
    };
    arrivals.iter_mut().for_each(|arrival| arrival.0 -= first.0);
    let span_us = last.0 - first.0;
    // The next round's first comes after the last as the others do, on the average.
    let length_us = span_us + (span_us / (arrivals.len() as u64 - 1).max(1)).max(1);
    let trace = TraceFile { requests: numbers.requests, arrivals, length_us };
    trace.write(out)?;
    Ok(Recording { requests: trace.arrivals.len() as u64, seconds: span_us as f64 / 1e6, left_out })
}

/// None: it is left out.
fn entry(line: &str, argument: &str) -> Result<Option<(u64, Recorded)>, String> {
    let line: Line =
        serde_json::from_str(line).map_err(|error| format!("this is no JSON object of a request: {error}"))?;
    let at_us = time_us(line.timestamp.or(line.time).or(line.ts).or(line.at).as_ref())?;
    let own_name = line.name.filter(|_| line.params.is_none());
    let mut params = line.params.unwrap_or_default();
    params.retain(|_, value| !value.is_null());
    let text = |key: &str| params.get(key).and_then(Value::as_str).map(str::to_string);
    let name = text("name").or_else(|| text("uri")).or(line.tool).or(own_name).unwrap_or_default();
    let method = match line.method {
        Some(method) => method,
        None if !name.is_empty() => "tools/call".into(),
        None => return Err("it says neither method nor tool".into()),
    };
    let takes_name = matches!(method.as_str(), "tools/call" | "prompts/get" | "resources/read");
    if !takes_name && params.keys().any(|key| key != "_meta") {
        return Ok(None);
    }
    if takes_name && name.is_empty() {
        return Err(format!("{method} needs a tool (or params.name, or params.uri)"));
    }
    let takes_arguments = matches!(method.as_str(), "tools/call" | "prompts/get");
    let arguments = match (line.arguments.or_else(|| params.remove("arguments")), line.size) {
        _ if !takes_arguments => String::new(),
        (Some(arguments), _) if arguments.is_object() => arguments.to_string(),
        (Some(other), _) => return Err(format!("arguments must be an object, not {other}")),
        (None, Some(size)) => {
            let letters = size.clamp(1, SIZE_MAX).next_power_of_two();
            serde_json::json!({ argument: FILLING.to_string().repeat(letters as usize) }).to_string()
        }
        (None, None) => "{}".into(),
    };
    let name = if takes_name { name } else { String::new() };
    let request = Recorded { method, name, arguments };
    Ok(request.check().is_ok().then_some((at_us, request)))
}

/// Microseconds since the epoch, or since whatever the log counts from.
fn time_us(value: Option<&Value>) -> Result<u64, String> {
    let wrong = || "it needs a timestamp: RFC 3339, or a number of seconds, milli-, micro- or nanoseconds".to_string();
    match value {
        Some(Value::String(text)) => {
            let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
            u64::try_from(time.as_microsecond()).map_err(|_| wrong())
        }
        Some(Value::Number(number)) => {
            let number = number.as_f64().filter(|number| *number >= 0.0).ok_or_else(wrong)?;
            // Since the epoch these are now about 1.8e9, 1.8e12, 1.8e15 and 1.8e18; a log that begins at 0 counts in seconds.
            Ok(match number {
                number if number >= 1e17 => (number / 1e3).round() as u64,
                number if number >= 1e14 => number as u64,
                number if number >= 1e11 => (number * 1e3) as u64,
                number => (number * 1e6).round() as u64,
            })
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests;

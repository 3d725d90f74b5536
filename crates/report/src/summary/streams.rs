//! Streams of notifications: what was held, and how fast changes reached them.

use erlmcp_record::names::{finding, phase};

use super::{Figure, Section, Value, phases};
use crate::analysis::Analysis;
use crate::facts::{Facts, NO_WINDOW};
use crate::format;

/// None where no streams were asked for.
pub(super) fn section(analysis: &Analysis, facts: &Facts<'_>) -> Option<Section> {
    let asked = asked(analysis);
    if asked == 0 && analysis.streams.are_absent() {
        return None;
    }
    let mut figures = held(analysis, facts, asked);
    figures.extend(fan_out(analysis));
    figures.push(Figure::new("Server Memory per Stream (its connection included)", memory(analysis)));
    Some(Section { title: "Stream Metrics".into(), figures })
}

fn asked(analysis: &Analysis) -> u64 {
    analysis.config.as_ref().map_or(0, |config| config.streams)
}

fn held(analysis: &Analysis, facts: &Facts<'_>, asked: u64) -> Vec<Figure> {
    let streams = &analysis.streams;
    let window = facts.sustained.as_ref().and_then(|found| found.window);
    let why = if window.is_none() { NO_WINDOW } else { "the agents did not report" };
    let held = window.and_then(|window| streams.held_min(window));
    let gauge = facts.sustained.as_ref().and_then(|found| found.server.streams_max);
    vec![
        Figure::new("Streams Asked For", Value::Count(asked)),
        Figure::new("Streams Held", Value::or(held, Value::Count, why)),
        Figure::new("Streams by the Server's Gauge", Value::or(gauge, Value::Count, "the target has no such gauge")),
        Figure::new("Openings Acknowledged", Value::Count(streams.acknowledged)),
        Figure::new(
            "P99 from Planned to Acknowledged",
            phases::quantile(&streams.opening, 0.99, "none was acknowledged"),
        ),
        Figure::new("Failed Openings by Cause", phases::causes(&streams.failed)),
        Figure::new("Streams Lost", Value::Count(streams.lost.values().sum())),
        Figure::new("Streams Lost by Cause", phases::causes(&streams.lost)),
        Figure::new("Streams Ended by the Server", Value::Count(streams.ended)),
        Figure::new("Streams Reopened", Value::Count(streams.reopened)),
        Figure::new("Events", Value::Count(streams.events)),
        Figure::new("Keep-Alives", Value::Count(streams.keep_alives)),
    ]
}

fn fan_out(analysis: &Analysis) -> Vec<Figure> {
    let streams = &analysis.streams;
    let all = streams.fan_out();
    let failed = streams.changes.values().filter(|change| change.failed.is_some()).count() as u64;
    let made = streams.changes.len() as u64 - failed;
    let none = if made == 0 { "no change was made" } else { "no stream told of a change" };
    let quantile = |quantile: f64| phases::quantile(&all.latency, quantile, none);
    let last = |quantile: f64| phases::quantile(&all.last, quantile, none);
    let share = |part: u64| match all.expected {
        0 => Value::NotMeasured(if made == 0 { none } else { "no stream was held when a change was made" }.into()),
        whole => Value::Text(format!("{} of {}", format::count(part), format::count(whole))),
    };
    let how = streams.changes.values().next().map(|change| change.method.clone());
    vec![
        Figure::new("Changes Made", Value::Count(made)),
        Figure::new("Changes That Could Not Be Made", Value::Count(failed)),
        Figure::new("Changes Made by", Value::or(how, Value::Text, none)),
        Figure::new("Fan-Out P50 (each stream)", quantile(0.5)),
        Figure::new("Fan-Out P95 (each stream)", quantile(0.95)),
        Figure::new("Fan-Out P99 (each stream)", quantile(0.99)),
        Figure::new("Fan-Out Max (each stream)", quantile(1.0)),
        Figure::new("Fan-Out to the Last Stream, Median (each change)", last(0.5)),
        Figure::new("Fan-Out to the Last Stream, Max (each change)", last(1.0)),
        Figure::new("Notifications Missed", share(all.missed)),
        Figure::new("Notifications of Streams That Were Lost", share(all.lost)),
        Figure::new("Fan-Out Receive Lag P99", phases::quantile(&all.receive_lag, 0.99, none)),
    ]
}

/// What the memory of all replicas grew by while streams were opened.
fn memory(analysis: &Analysis) -> Value {
    let Some((number, _)) = analysis.phase_named(phase::SUSTAINED_LOAD) else {
        return Value::NotMeasured("no sustained load was run".into());
    };
    let told = |name: &str| match analysis.finding(number, name) {
        Some(row) => row.value.ok_or_else(|| row.note.clone().unwrap_or_else(|| "it was not told".into())),
        None => Err("it was not looked for".to_string()),
    };
    let figures = told(finding::MEMORY_BEFORE_STREAMS)
        .and_then(|before| Ok((before, told(finding::MEMORY_WITH_STREAMS)?, told(finding::STREAMS_MEASURED)?)));
    match figures {
        Err(why) => Value::NotMeasured(why),
        Ok((_, _, held)) if held < 1.0 => Value::NotMeasured("no stream was held".into()),
        Ok((before, with, _)) if with < before => {
            Value::NotMeasured("the server's memory with streams was below that without".into())
        }
        Ok((before, with, held)) => Value::Bytes((with - before) / held),
    }
}

/// What is said of streams after the sustained load; nothing where there were none.
pub(super) fn lines(analysis: &Analysis, facts: &Facts<'_>) -> Vec<String> {
    let Some(section) = section(analysis, facts) else { return Vec::new() };
    let value = |name: &str| {
        let found = section.figures.iter().find(|figure| figure.name.starts_with(name));
        found.map_or_else(String::new, |figure| figure.value.pretty())
    };
    vec![
        format!(
            "  Streams held: {} of {}, lost {}, events {}",
            value("Streams Held"),
            value("Streams Asked For"),
            value("Streams Lost"),
            value("Events")
        ),
        format!(
            "  Fan-out: P95 {}, last stream {} at most, missed {}",
            value("Fan-Out P95"),
            value("Fan-Out to the Last Stream, Max"),
            value("Notifications Missed")
        ),
    ]
}

//! Two or more recorded runs side by side: what differs, and whether that is more than chance within each run.
//!
//! Everything is of the load that a run is judged by. An interval holds the difference with 95 % confidence, from a block
//! bootstrap over the seconds of either run. One run a side cannot show how much two runs of the same thing differ, and is
//! said to be one.

mod alike;
mod condition;
mod figure;
mod markdown;
mod measured;
mod text;

use serde::Serialize;

use crate::facts::Facts;
use crate::verdict::Verdict;
use crate::{Analysis, ExitCode};
use measured::{Measured, Run};

pub use condition::{Condition, Judged};
pub use figure::Figure;
pub use markdown::markdown;
pub use text::text;

pub use crate::stats::Percentile;
pub(crate) use text::{changed, value};

/// What a comparison shows; views of it read nothing else.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// The first one is what the others are compared with.
    pub runs: Vec<Side>,
    pub rows: Vec<Row>,
    /// What does not fit, where the user wanted to compare all the same; and what else limits what is shown.
    pub notes: Vec<String>,
    pub conditions: Vec<Judged>,
}

/// One run of it.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// "A", "B", ...
    pub label: String,
    /// As the user named it.
    pub folder: String,
    pub run_id: String,
    pub started_at: String,
    /// "erlmcp-server 0.1.0", as it names itself.
    pub server: Option<String>,
    /// "100,000 connections, 12,000 req/s, tools/call echo".
    pub load: String,
    /// Seconds of load that are compared.
    pub seconds: u64,
    pub requests: u64,
}

/// One figure of all runs.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// "p95".
    pub name: String,
    #[serde(rename = "unit")]
    pub figure: Figure,
    /// One a run.
    pub values: Vec<Found>,
    /// One a run after the first.
    pub changes: Vec<Change>,
}

/// A value in the row's unit, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    Value(f64),
    NotMeasured(String),
}

/// How a run differs from the first one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// None where one of them has no value.
    pub difference: Option<Interval>,
    pub standing: Standing,
}

/// An estimate and the ends of its 95 % interval, in percent of the first run's value, or in points of percent for a
/// share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Better,
    Worse,
    /// The interval has no difference in it, or there is none.
    CantTell,
}

impl Standing {
    /// "better", "worse", "can't tell".
    pub fn text(self) -> &'static str {
        match self {
            Standing::Better => "better",
            Standing::Worse => "worse",
            Standing::CantTell => "can't tell",
        }
    }
}

/// Compares the first run with each of the others.
///
/// # Errors
/// A sentence, where a run has nothing to compare, or where runs do not fit each other and `anyway` is false.
pub fn compare(runs: &[(String, &Analysis)], conditions: &[Condition], anyway: bool) -> Result<Compared, String> {
    let facts: Vec<_> = runs.iter().map(|(_, analysis)| Facts::of(analysis)).collect();
    let loads: Vec<Run<'_>> = runs
        .iter()
        .zip(&facts)
        .map(|((folder, analysis), facts)| Run::of(analysis, facts).map_err(|why| format!("{folder} {why}")))
        .collect::<Result<_, _>>()?;
    if loads.len() < 2 {
        return Err("nothing to compare: name two runs".into());
    }
    let mut notes = Vec::new();
    for ((folder, other), label) in runs[1..].iter().zip('B'..) {
        let differences = alike::differences(runs[0].1, other);
        if differences.is_empty() {
            continue;
        }
        if !anyway {
            return Err(format!(
                "{} and {folder} are not comparable: {}; --anyway compares them all the same",
                runs[0].0,
                differences.join(", ")
            ));
        }
        notes.push(format!(
            "A and {label} are not comparable, and are compared all the same: {}",
            differences.join(", ")
        ));
    }
    notes.push("one run a side: how much two runs of the same thing differ is in no interval".into());
    notes.extend(loads.iter().zip('A'..).filter_map(|(run, label)| Some(format!("{label}: {}", run.doubt()?))));
    let figures = figure::all(conditions.iter().map(|condition| condition.figure));
    let measured: Vec<_> = loads.iter().zip(1..).map(|(run, nth)| run.measure(&figures, nth)).collect();
    let rows = figures.iter().enumerate().map(|(at, figure)| row(*figure, at, &measured)).collect();
    let judged = conditions.iter().flat_map(|condition| {
        let at = figures.iter().position(|figure| *figure == condition.figure).unwrap_or_default();
        let sides = measured.iter().zip(&loads).zip('A'..).skip(1);
        let judge = |((other, load), label): ((&Vec<Measured>, &Run<'_>), char)| {
            condition.judge(label, [&measured[0][at], &other[at]], [loads[0].doubt(), load.doubt()])
        };
        sides.map(judge).collect::<Vec<_>>()
    });
    let runs = runs.iter().zip(&loads).zip('A'..).map(|(((folder, _), run), label)| run.side(label, folder)).collect();
    Ok(Compared { runs, rows, notes, conditions: judged.collect() })
}

fn row(figure: Figure, at: usize, measured: &[Vec<Measured>]) -> Row {
    let value = |run: &Vec<Measured>| match &run[at].value {
        Ok(value) => Found::Value(*value),
        Err(why) => Found::NotMeasured(why.clone()),
    };
    let values = measured.iter().map(value).collect();
    let change = |other: &Vec<Measured>| {
        let difference = measured::difference(&measured[0][at], &other[at], figure.is_share());
        Change { difference, standing: figure.standing(difference) }
    };
    Row { name: figure.to_string(), figure, values, changes: measured[1..].iter().map(change).collect() }
}

impl Compared {
    /// How a process that compares ends: a condition that is met is a FAIL, one that cannot be told INCONCLUSIVE.
    pub fn exit_code(&self) -> ExitCode {
        let any = |of: fn(&Verdict) -> bool| self.conditions.iter().any(|judged| of(&judged.verdict));
        match () {
            () if any(|verdict| *verdict == Verdict::Fail) => ExitCode::SlaFailed,
            () if any(|verdict| matches!(verdict, Verdict::Inconclusive { .. })) => ExitCode::Inconclusive,
            () => ExitCode::Pass,
        }
    }
}

//! When sessions begin.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_load::proto;

use super::file::{ArrivalForm, ArrivalKind};
use super::trace::TraceFile;
use crate::duration::parse_duration;

/// How a rate goes over time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arrival {
    /// At random around the rate, in place of evenly.
    pub(crate) poisson: bool,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Even,
    /// Lengths and factors, again and again. `spikes`: they were written as such.
    Pieces {
        pieces: Vec<(Duration, f64)>,
        spikes: bool,
    },
    Sine {
        period: Duration,
        amplitude: f64,
    },
    Trace(Arc<TraceFile>),
}

const PIECES_MAX: usize = 256;
const FACTOR_MAX: f64 = 1_000.0;

impl Arrival {
    pub(super) fn even() -> Self {
        Self { poisson: false, shape: Shape::Even }
    }

    /// # Errors
    /// What is missing or too much, as a sentence.
    pub(super) fn parse(form: &ArrivalForm, folder: Option<&Path>) -> Result<Self, String> {
        let kind = *form.kind.get_ref();
        form.refuse_others(kind)?;
        let shape = match kind {
            ArrivalKind::Constant | ArrivalKind::Poisson => Shape::Even,
            ArrivalKind::Steps => {
                let piece = |step: &super::file::RateStep| Ok((length(&step.lasts)?, factor(step.times)?));
                let pieces = form.steps.iter().map(piece).collect::<Result<Vec<_>, String>>()?;
                pieces_of(pieces, false)?
            }
            ArrivalKind::Sine => {
                let period = length(form.period.as_deref().ok_or("a sine needs a period, as period = \"60s\"")?)?;
                let amplitude = form.amplitude.unwrap_or(0.5);
                if !(0.0..=1.0).contains(&amplitude) {
                    return Err(format!("the amplitude of a sine is from 0 to 1 times the rate, not {amplitude}"));
                }
                Shape::Sine { period, amplitude }
            }
            ArrivalKind::Spikes => {
                let missing = "spikes need every, for and times, as every = \"30s\", for = \"2s\", times = 4";
                let every = length(form.every.as_deref().ok_or(missing)?)?;
                let lasts = length(form.lasts.as_deref().ok_or(missing)?)?;
                let times = factor(form.times.ok_or(missing)?)?;
                let between = every.checked_sub(lasts).filter(|between| !between.is_zero());
                let between = between.ok_or("spikes must be shorter than the time from one to the next (every)")?;
                pieces_of(vec![(between, 1.0), (lasts, times)], true)?
            }
            ArrivalKind::Trace => {
                let file = form.file.as_deref().ok_or("a trace needs a file, as file = \"trace.jsonl\"")?;
                let path = folder.map_or_else(|| Path::new(file).to_path_buf(), |folder| folder.join(file));
                Shape::Trace(Arc::new(TraceFile::read(&path)?))
            }
        };
        Ok(Self { poisson: form.poisson || kind == ArrivalKind::Poisson, shape })
    }

    pub(super) fn trace(&self) -> Option<&TraceFile> {
        match &self.shape {
            Shape::Trace(trace) => Some(trace),
            _ => None,
        }
    }

    /// Requests a second, as it was recorded.
    pub(super) fn rate(&self) -> Option<f64> {
        self.trace().map(TraceFile::rate)
    }

    /// How a load at this mean rate is to go over time; None: evenly.
    pub(crate) fn shape(&self, rate: f64) -> Option<proto::Shape> {
        match &self.shape {
            Shape::Even => None,
            Shape::Pieces { pieces, .. } => {
                let piece = |(length, factor): &(Duration, f64)| proto::Piece {
                    duration_us: length.as_micros() as u64,
                    factor: *factor,
                };
                Some(proto::Shape { pieces: pieces.iter().map(piece).collect(), ..proto::Shape::default() })
            }
            Shape::Sine { period, amplitude } => {
                let (period_us, amplitude) = (period.as_micros() as u64, *amplitude);
                Some(proto::Shape { period_us, amplitude, ..proto::Shape::default() })
            }
            Shape::Trace(trace) => Some(proto::Shape { trace_speed: rate / trace.rate(), ..proto::Shape::default() }),
        }
    }

    /// "constant", "Poisson", "spikes (Poisson)": how a report says it.
    pub(crate) fn words(&self) -> String {
        let shape = match &self.shape {
            Shape::Even if self.poisson => return "poisson".into(),
            Shape::Even => return "constant".into(),
            Shape::Pieces { spikes: true, .. } => "spikes",
            Shape::Pieces { .. } => "stepped",
            Shape::Sine { .. } => "sine",
            Shape::Trace(_) => "recorded",
        };
        if self.poisson { format!("{shape} poisson") } else { shape.into() }
    }
}

impl ArrivalForm {
    /// Members that another kind has.
    fn refuse_others(&self, kind: ArrivalKind) -> Result<(), String> {
        let (steps, sine, spikes) = (ArrivalKind::Steps, ArrivalKind::Sine, ArrivalKind::Spikes);
        let given = [
            ("steps", !self.steps.is_empty(), steps),
            ("period", self.period.is_some(), sine),
            ("amplitude", self.amplitude.is_some(), sine),
            ("every", self.every.is_some(), spikes),
            ("for", self.lasts.is_some(), spikes),
            ("times", self.times.is_some(), spikes),
            ("file", self.file.is_some(), ArrivalKind::Trace),
        ];
        let other = given.iter().find(|(_, is_given, of)| *is_given && *of != kind);
        other.map_or(Ok(()), |(name, _, of)| {
            Err(format!("{name:?} is for arrivals of the kind {:?}: leave it out, or change the kind", word(*of)))
        })
    }
}

fn word(kind: ArrivalKind) -> String {
    format!("{kind:?}").to_lowercase()
}

fn length(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text)?;
    if length.is_zero() { Err(format!("{text:?} is no time at all")) } else { Ok(length) }
}

fn factor(times: f64) -> Result<f64, String> {
    let is_good = (0.0..=FACTOR_MAX).contains(&times);
    if is_good { Ok(times) } else { Err(format!("times must be from 0 to {FACTOR_MAX}, not {times}")) }
}

fn pieces_of(pieces: Vec<(Duration, f64)>, spikes: bool) -> Result<Shape, String> {
    if pieces.len() > PIECES_MAX || pieces.iter().all(|(_, factor)| *factor == 0.0) {
        return Err(format!("steps are from 1 to {PIECES_MAX}, and one of them has times above 0"));
    }
    Ok(Shape::Pieces { pieces, spikes })
}

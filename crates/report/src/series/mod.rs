//! The run over time: what the charts of every view show, in a report and live. One model, made of the seconds that
//! metrics.jsonl has, in as many points as can be drawn.

mod build;
mod curve;
mod heat;
mod line;
mod marks;

use serde::Serialize;

pub use build::SeriesBuilder;
pub use curve::{Curve, CurveLine};
pub use heat::Heat;
pub use line::Line;
pub use marks::{Band, FaultMark};

use crate::analysis::WHOLE_S;

/// The version of the shape of [`Series`].
const SERIES_VERSION: u32 = 1;

/// Everything that is drawn over the time of a run. All lines have a value or a gap for each of `points`; point *i* is
/// the seconds from *i* `step_s` up to, not with, (*i* + 1) `step_s` of the run's clock.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    pub version: u32,
    pub step_s: u32,
    pub points: usize,
    pub phases: Vec<Band>,
    /// The seconds that the five SLAs judge, from and to; None: there are none.
    pub judged_s: Option<(u32, u32)>,
    pub faults: Vec<FaultMark>,
    pub charts: Vec<Chart>,
    pub heat: Heat,
    pub curve: Curve,
    /// Values that are in no line, since there were too many lines.
    pub lines_left_out: u64,
}

/// Lines that share an axis.
#[derive(Debug, Clone, Serialize)]
pub struct Chart {
    pub id: &'static str,
    pub title: &'static str,
    /// "connections", "ms", "bytes", ...: of its axis.
    pub unit: &'static str,
    /// What is drawn, in a sentence.
    pub about: &'static str,
    pub logarithmic: bool,
    /// Where the judged limit lies, if it can be drawn in this chart.
    pub limit: Option<LimitLine>,
    pub lines: Vec<Line>,
    /// Why there is nothing to draw.
    pub empty: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LimitLine {
    pub value: f64,
    /// "P95 < 100 ms".
    pub label: String,
}

impl Series {
    /// What a point is, in words.
    pub(crate) fn about_points(&self) -> String {
        if self.step_s == 1 {
            return "A point a second.".into();
        }
        let far_back = match self.points * self.step_s as usize > WHOLE_S as usize {
            true => {
                " More than 2 hours before the end, percentiles and the map of the sustained load are those of whole \
                 minutes."
            }
            false => "",
        };
        format!("A point every {} seconds; percentiles are those of all requests of the point.{far_back}", self.step_s)
    }

    /// As the page has it. No `<` is in it, so that no text of a run can end the element that it stands in.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string(self).expect("a series has only names and numbers");
        text.replace('<', "\\u003c")
    }
}

use erlmcp_record::{Hist, Kind};
use serde::Serialize;

use crate::analysis::Analysis;
use crate::facts::Sustained;

/// Points of the curve a nine: 90 % to 99 % is one of them.
const POINTS_A_NINE: u32 = 12;

/// Latency by percentile. `nines` are where the points are: *x* means that 1 in 10^*x* requests took longer, so 0 is the
/// fastest one, 1 is 90 %, 2 is 99 %.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Curve {
    /// "the judged seconds of the sustained load", or what else it is made of.
    pub of: &'static str,
    pub nines: Vec<f64>,
    pub lines: Vec<CurveLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveLine {
    pub label: &'static str,
    pub requests: u64,
    /// Milliseconds at each point; fewer than points where there are too few requests for the last ones.
    pub ms: Vec<f64>,
}

impl Curve {
    pub(super) fn of(analysis: &Analysis) -> Self {
        let judged = Sustained::of(analysis).filter(|found| found.window.is_some()).map(|found| found.judged);
        let (of, part) = match judged {
            Some(part) => ("the judged seconds of the sustained load", part),
            None => ("all load of the run", analysis.part(false, |key| key.kind == Kind::Load)),
        };
        let lines = [("from the intended time", &part.latency), ("service time", &part.service)];
        let lines: Vec<CurveLine> =
            lines.into_iter().filter_map(|(label, hist)| Some(line(label, hist.as_ref()?))).collect();
        let longest = lines.iter().map(|line| line.ms.len()).max().unwrap_or(0);
        Self { of, nines: (0..longest).map(|at| at as f64 / f64::from(POINTS_A_NINE)).collect(), lines }
    }
}

fn line(label: &'static str, hist: &Hist) -> CurveLine {
    // A point needs a request beyond it.
    let last = ((hist.count().max(1) as f64).log10() * f64::from(POINTS_A_NINE)).floor() as u32;
    let ms = (0..=last).filter_map(|at| {
        let quantile = 1.0 - 10_f64.powf(-f64::from(at) / f64::from(POINTS_A_NINE));
        hist.quantile_us(quantile).map(|us| us as f64 / 1e3)
    });
    CurveLine { label, requests: hist.count(), ms: ms.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_ends_where_its_requests_do() {
        let mut hist = Hist::new();
        (1..=1_000).for_each(|us| hist.record_us(us));
        let line = line("latency", &hist);
        assert_eq!(line.ms.len(), 3 * POINTS_A_NINE as usize + 1);
        assert_eq!((line.ms[0], line.ms[12], line.ms[24], line.ms[36]), (0.001, 0.9, 0.99, 0.999));
    }
}

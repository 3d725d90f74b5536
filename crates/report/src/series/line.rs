use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

/// How the seconds of a point come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    /// A gauge: the last one.
    Last,
    /// The worst one.
    Max,
    Mean,
    /// Events a second; a second that says nothing had none.
    Rate,
}

/// The values of one line while they come.
#[derive(Debug, Clone)]
pub(super) struct Column {
    fold: Fold,
    bins: Vec<Bin>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    sum: f64,
    count: u32,
}

impl Column {
    pub(super) fn new(fold: Fold) -> Self {
        Self { fold, bins: Vec::new() }
    }

    pub(super) fn add(&mut self, at: usize, value: f64) {
        if self.bins.len() <= at {
            self.bins.resize(at + 1, Bin::default());
        }
        self.bins[at] = joined(self.fold, self.bins[at], Bin { sum: value, count: 1 });
    }

    /// Two points become one.
    pub(super) fn halve(&mut self) {
        let pairs = self.bins.chunks(2);
        self.bins = pairs.map(|pair| joined(self.fold, pair[0], *pair.get(1).unwrap_or(&Bin::default()))).collect();
    }

    /// A value a point; `seconds` has how many seconds each of them has seen.
    pub(super) fn values(&self, seconds: &[u32]) -> Vec<Option<f64>> {
        let of = |(at, seconds): (usize, &u32)| {
            let bin = self.bins.get(at).copied().unwrap_or_default();
            match self.fold {
                Fold::Rate => (*seconds > 0).then(|| bin.sum / f64::from(*seconds)),
                Fold::Mean => (bin.count > 0).then(|| bin.sum / f64::from(bin.count)),
                Fold::Last | Fold::Max => (bin.count > 0).then_some(bin.sum),
            }
        };
        seconds.iter().enumerate().map(of).collect()
    }
}

fn joined(fold: Fold, first: Bin, then: Bin) -> Bin {
    match fold {
        _ if then.count == 0 => first,
        _ if first.count == 0 => then,
        Fold::Last => then,
        Fold::Max => Bin { sum: first.sum.max(then.sum), count: 1 },
        Fold::Mean | Fold::Rate => Bin { sum: first.sum + then.sum, count: first.count + then.count },
    }
}

/// A line that is drawn. In JSON its values are whole numbers, `decimals` of them behind the point, each as the
/// difference to the one before it, null for a gap, and `[difference, times]` where it repeats: steady lines take no room.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    pub label: String,
    pub decimals: u32,
    /// None: not measured.
    #[serde(rename = "deltas", serialize_with = "deltas")]
    pub values: Vec<Option<i64>>,
}

impl Line {
    pub(super) fn new(label: &str, decimals: u32, values: &[Option<f64>]) -> Self {
        let scale = 10_f64.powi(decimals as i32);
        let values = values.iter().map(|value| value.map(|value| (value * scale).round() as i64));
        Self { label: label.into(), decimals, values: values.collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }
}

/// Repetitions from this many on are written as one.
const REPEATED_MIN: usize = 4;

fn deltas<S: Serializer>(values: &[Option<i64>], serializer: S) -> Result<S::Ok, S::Error> {
    let mut last = 0;
    let of = |value: &Option<i64>| {
        value.map(|value| {
            let delta = value - last;
            last = value;
            delta
        })
    };
    let deltas: Vec<Option<i64>> = values.iter().map(of).collect();
    let mut list = serializer.serialize_seq(None)?;
    for run in deltas.chunk_by(|one, other| one == other) {
        if run.len() >= REPEATED_MIN {
            list.serialize_element(&(run[0], run.len()))?;
        } else {
            run.iter().try_for_each(|delta| list.serialize_element(delta))?;
        }
    }
    list.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_as_differences() {
        let line = Line::new("P95", 1, &[None, Some(1.0), Some(1.5), Some(1.5), Some(1.5), Some(1.5), Some(1.5), None]);
        let json = serde_json::to_string(&line).expect("JSON");
        assert_eq!(json, r#"{"label":"P95","decimals":1,"deltas":[null,10,5,[0,4],null]}"#);
    }

    #[test]
    fn two_points_become_one_by_the_way_of_their_line() {
        let of = |fold: Fold| {
            let mut column = Column::new(fold);
            [(0, 4.0), (1, 2.0), (3, 6.0)].into_iter().for_each(|(at, value)| column.add(at, value));
            column.halve();
            column.values(&[2, 2, 0])
        };
        assert_eq!(of(Fold::Last), [Some(2.0), Some(6.0), None]);
        assert_eq!(of(Fold::Max), [Some(4.0), Some(6.0), None]);
        assert_eq!(of(Fold::Mean), [Some(3.0), Some(6.0), None]);
        // Nothing happened in second 2, so that point 1 has 6 in two seconds.
        assert_eq!(of(Fold::Rate), [Some(3.0), Some(3.0), None]);
    }
}

use serde::Serialize;

use crate::analysis::Analysis;

/// Rows of the map an octave of the latency.
const ROWS_AN_OCTAVE: u32 = 3;

/// Load by latency and time. Row *r* has the requests whose latency is from 2^(r / `rows_an_octave`) microseconds up to
/// the next row's. Where a point lies far back, they are those of its minute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Heat {
    pub rows_an_octave: u32,
    /// Of each point: its first row, then the counts of that row and those after it; empty where nothing was sent.
    pub columns: Vec<Vec<u64>>,
}

impl Heat {
    pub(super) fn of(analysis: &Analysis, step_s: u32, points: usize) -> Self {
        let mut counts: Vec<Vec<(u32, u64)>> = vec![Vec::new(); points];
        for (point, _, added) in analysis.load_by_point(step_s) {
            let (Some(point), Some(added)) = (counts.get_mut(point), added) else { continue };
            added.entries().iter().for_each(|&(us, count)| point.push((row(us), u64::from(count))));
        }
        Self { rows_an_octave: ROWS_AN_OCTAVE, columns: counts.iter().map(|counts| column(counts)).collect() }
    }
}

fn row(us: u32) -> u32 {
    (f64::from(us.max(1)).log2() * f64::from(ROWS_AN_OCTAVE)) as u32
}

fn column(counts: &[(u32, u64)]) -> Vec<u64> {
    let rows = || counts.iter().map(|count| count.0);
    let (Some(first), Some(last)) = (rows().min(), rows().max()) else { return Vec::new() };
    let mut column = vec![0; (last - first) as usize + 2];
    column[0] = u64::from(first);
    counts.iter().for_each(|(row, count)| column[(row - first) as usize + 1] += count);
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_thirds_of_an_octave() {
        assert_eq!([1, 2, 4, 1_024].map(row), [0, 3, 6, 30]);
        assert_eq!(column(&[(7, 2), (5, 1), (7, 3)]), [5, 1, 0, 5]);
        assert!(column(&[]).is_empty());
    }
}

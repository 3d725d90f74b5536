use super::Side;
use super::bootstrap::{Draws, group_width, pick};

/// How fast a value grows, in its unit a second, with the 95 % bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slope {
    pub(crate) per_second: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

const REPLICATES: usize = 1_000;

/// The least-squares line through (second, value); its bounds by a block bootstrap of the residuals, of neighbouring
/// points together where there are many. None for fewer than three points or no spread in time.
pub(crate) fn slope(points: &[(f64, f64)], seed: u64) -> Option<Slope> {
    if points.len() < 3 {
        return None;
    }
    let line = fit(points)?;
    let mean = |group: &[(f64, f64)]| {
        let n = group.len() as f64;
        group.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / n, sum.1 + point.1 / n))
    };
    let points: Vec<(f64, f64)> = points.chunks(group_width(points.len())).map(mean).collect();
    let residuals: Vec<f64> = points.iter().map(|point| point.1 - line.at(point.0)).collect();
    let mut draws = Draws::new(points.len(), seed);
    let found: Vec<f64> = (0..REPLICATES)
        .filter_map(|_| {
            let drawn = draws.next_order();
            let again = |(point, from): (&(f64, f64), &usize)| (point.0, line.at(point.0) + residuals[*from]);
            let again: Vec<(f64, f64)> = points.iter().zip(&drawn).map(again).collect();
            fit(&again).map(|line| line.slope)
        })
        .collect();
    let upper = pick(found.clone(), Side::Upper)?;
    let lower = pick(found, Side::Lower)?;
    Some(Slope { per_second: line.slope, lower: lower.min(line.slope), upper: upper.max(line.slope) })
}

struct Line {
    slope: f64,
    mean: (f64, f64),
}

impl Line {
    fn at(&self, x: f64) -> f64 {
        self.mean.1 + self.slope * (x - self.mean.0)
    }
}

fn fit(points: &[(f64, f64)]) -> Option<Line> {
    let n = points.len() as f64;
    let sum = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    let mean = (sum.0 / n, sum.1 / n);
    let squares: f64 = points.iter().map(|point| (point.0 - mean.0).powi(2)).sum();
    let products: f64 = points.iter().map(|point| (point.0 - mean.0) * (point.1 - mean.1)).sum();
    (squares > 0.0).then(|| Line { slope: products / squares, mean })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope_and_no_doubt() {
        let points: Vec<(f64, f64)> = (0..90).map(|n| (f64::from(n), 5e6 + 1_000.0 * f64::from(n))).collect();
        let slope = slope(&points, 1).expect("there are points");
        assert!((slope.per_second - 1_000.0).abs() < 1e-6);
        assert!((slope.upper - slope.lower).abs() < 1e-3);
    }

    #[test]
    fn noise_without_growth_has_zero_between_its_bounds() {
        let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 16 & 1023);
        let points: Vec<(f64, f64)> = (0..120).map(|n| (f64::from(n), noise(n))).collect();
        let slope = slope(&points, 1).expect("there are points");
        assert!(slope.lower < 0.0 && slope.upper > 0.0, "{slope:?}");
        // Least squares theory: 295 / (sqrt(120) * 34.6) = 0.78 a second.
        assert!((slope.upper - slope.per_second) > 0.7 && (slope.upper - slope.per_second) < 2.2, "{slope:?}");
    }

    #[test]
    fn two_points_show_nothing() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 2.0)], 1), None);
        assert_eq!(slope(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)], 1), None);
    }
}

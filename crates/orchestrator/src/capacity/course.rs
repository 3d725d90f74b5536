//! Which searches a run is made of: the rate at the given connections, the connections at a given rate, and the curve
//! between the two.

use erlmcp_record::{Axis, LimitBy};

use super::search::{Bounds, Found};
use crate::plan::{Axes, Capacity};

/// One search to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Search {
    pub(super) axis: Axis,
    /// Connections where the axis is the rate, requests a second where it is connections.
    pub(super) fixed: u64,
    pub(super) bounds: Bounds,
}

/// Two points of the curve are not nearer to each other.
const APART: f64 = 1.2;

/// The next search after these answers; None: there is none, or no sense in one.
pub(super) fn next(asked: &Capacity, done: &[(Search, Found)]) -> Option<Search> {
    if done.iter().any(|(_, found)| matches!(found.by, LimitBy::Cut | LimitBy::Unsettled)) {
        return None;
    }
    let wants_rate = asked.axes != Axes::Connections;
    let wants_connections = asked.axes != Axes::Rate;
    let rates: Vec<&(Search, Found)> = done.iter().filter(|(search, _)| search.axis == Axis::Rate).collect();
    let connections = done.iter().find(|(search, _)| search.axis == Axis::Connections);
    if wants_rate && rates.is_empty() {
        return Some(of_rate(asked, asked.connections, asked.start_rate));
    }
    if wants_connections && connections.is_none() {
        // Half of what it carries with few connections leaves room for many.
        let least = asked.least_rate() as f64;
        let rate = match (asked.rate, rates.first()) {
            (Some(rate), _) => rate,
            (None, Some((_, found))) if found.low >= 2.0 => (found.low / 2.0).max(least),
            (None, Some(_)) => return None,
            (None, None) => (asked.start_rate as f64).max(least),
        };
        let bounds = bounds(asked, asked.connections, (1, asked.most_connections));
        return Some(Search { axis: Axis::Connections, fixed: rate.round().max(1.0) as u64, bounds });
    }
    let ((_, least), (at, most)) = (rates.first()?, connections?);
    between(asked, rates.len() - 1, (least.low, (at.fixed as f64, most.low)))
}

fn of_rate(asked: &Capacity, connections: u64, start: u64) -> Search {
    Search { axis: Axis::Rate, fixed: connections, bounds: bounds(asked, start, (asked.least_rate(), asked.most_rate)) }
}

fn bounds(asked: &Capacity, start: u64, (least, most): (u64, u64)) -> Bounds {
    Bounds { start, least, most, precision: asked.precision, trials_max: asked.trials_max }
}

/// The next of the points between few connections with `top` requests a second and many with few: evenly apart by the
/// logarithm of the connections, and begun where a straight line between the ends is.
fn between(asked: &Capacity, made: usize, (top, (rate, connections)): (f64, (f64, f64))) -> Option<Search> {
    let ratio = connections / asked.connections as f64;
    let points = (0..asked.points).filter(|_| ratio.powf(1.0 / f64::from(asked.points + 1)) >= APART);
    let point = points.into_iter().nth(made)?;
    let share = f64::from(point + 1) / f64::from(asked.points + 1);
    let start = top.max(1.0).powf(1.0 - share) * rate.max(1.0).powf(share);
    Some(of_rate(asked, (asked.connections as f64 * ratio.powf(share)).round() as u64, start.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::capacity;

    fn found(by: LimitBy, low: f64) -> Found {
        Found { by, estimate: Some(low), low, high: None }
    }

    /// All searches where the rate found on n connections is 8,000 - n / 2, and 10,000 connections are held.
    fn all(asked: &Capacity) -> Vec<(Axis, u64, u64)> {
        let mut done = Vec::new();
        while let Some(search) = next(asked, &done) {
            assert!(done.len() < 20, "it does not end");
            let low = if search.axis == Axis::Rate { 8_000.0 - search.fixed as f64 / 2.0 } else { 10_000.0 };
            done.push((search, found(LimitBy::Target, low)));
        }
        done.iter().map(|(search, _)| (search.axis, search.fixed, search.bounds.start)).collect()
    }

    #[test]
    fn both_axes_and_the_curve_between_them() {
        let asked = Capacity { points: 2, connections: 100, ..capacity() };
        let searches = all(&asked);
        assert_eq!(searches[0], (Axis::Rate, 100, asked.start_rate));
        assert_eq!(searches[1], (Axis::Connections, 3_975, 100));
        let curve: Vec<u64> = searches[2..].iter().map(|(_, connections, _)| *connections).collect();
        assert_eq!(curve, [464, 2_154]);
        assert!(searches[2..].iter().all(|(_, _, start)| (3_975..7_950).contains(start)), "{searches:?}");
    }

    #[test]
    fn one_axis_is_one_search() {
        assert_eq!(all(&Capacity { axes: Axes::Rate, ..capacity() }).len(), 1);
        let asked = Capacity { axes: Axes::Connections, rate: Some(50.0), ..capacity() };
        assert_eq!(all(&asked), [(Axis::Connections, 50, asked.connections)]);
    }

    #[test]
    fn a_target_that_carries_nothing_or_does_not_come_back_is_left_alone() {
        let asked = capacity();
        let first = next(&asked, &[]).expect("the first");
        assert_eq!(next(&asked, &[(first, found(LimitBy::Least, 0.0))]), None);
        assert_eq!(next(&asked, &[(first, found(LimitBy::Unsettled, 500.0))]), None);
        assert_eq!(next(&asked, &[(first, found(LimitBy::Cut, 500.0))]), None);
    }

    #[test]
    fn ends_that_are_near_each_other_have_nothing_between_them() {
        let asked = Capacity { points: 5, connections: 9_000, ..capacity() };
        assert_eq!(all(&asked).len(), 2);
    }
}

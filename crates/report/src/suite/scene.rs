use erlmcp_record::names::detail;
use erlmcp_record::{Kind, ScenarioRow};

use crate::analysis::{Analysis, KindSecond, Part, Window};
use crate::facts::part_of;
use crate::summary::{Figure, Value, quantile};

/// A scenario that was run, with its load and the whole seconds of it.
pub(super) struct Scene<'a> {
    pub(super) row: &'a ScenarioRow,
    pub(super) load: Part,
    pub(super) window: Option<Window>,
    pub(super) seconds: Vec<&'a KindSecond>,
}

impl<'a> Scene<'a> {
    /// None where it was not run.
    pub(super) fn named(analysis: &'a Analysis, number: u8, name: &str) -> Option<Self> {
        let row = analysis.scenarios.get(&(number, name.to_owned())).filter(|row| row.skipped.is_none())?;
        Some(Self::of(analysis, row))
    }

    pub(super) fn of(analysis: &'a Analysis, row: &'a ScenarioRow) -> Self {
        let window = window(analysis, row, |_| true);
        let seconds = window.map(|window| analysis.load_seconds(window)).unwrap_or_default();
        Self { row, load: part_of(analysis, row, Kind::Load), window, seconds: seconds.into_iter().flatten().collect() }
    }

    /// Why it shows nothing; None where it does.
    pub(super) fn trouble(&self) -> Option<String> {
        let nothing = (self.load.planned == 0).then(|| "no request was planned".to_string());
        self.row.inconclusive.clone().or(nothing)
    }
}

/// A load is done with its last answer, which may be a little before its end; one that ended earlier than this was cut.
const DONE_EARLY_US: u64 = 1_000_000;

/// The whole seconds of the load in those blocks of a scenario that `choose` takes.
pub(super) fn window(analysis: &Analysis, row: &ScenarioRow, choose: impl Fn(u32) -> bool) -> Option<Window> {
    let is_its = |block: u32| row.blocks.contains(&block) && choose(block);
    let blocks = analysis.blocks.values();
    let blocks: Vec<_> =
        blocks.filter(|one| one.phase == row.phase && one.kind == Kind::Load && is_its(one.block)).collect();
    let start_us = blocks.iter().map(|one| one.start_us).min()?;
    let end_us = blocks.iter().map(|one| one.start_us.saturating_add(one.duration_us)).max()?;
    let was_cut = row.ended_us.saturating_add(DONE_EARLY_US) < end_us;
    Window::between(start_us, if was_cut { row.ended_us } else { end_us })
}

/// The numbers and the scenarios of a phase whose names are `prefix` and a number, rising.
pub(super) fn numbered<'a>(analysis: &'a Analysis, number: u8, prefix: &str) -> Vec<(u64, &'a ScenarioRow)> {
    let rows = analysis.scenarios.values().filter(|row| row.phase == number && row.skipped.is_none());
    let mut found: Vec<(u64, &ScenarioRow)> =
        rows.filter_map(|row| Some((row.name.strip_prefix(prefix)?.parse().ok()?, row))).collect();
    found.sort_unstable_by_key(|(at, _)| *at);
    found
}

/// What any scenario of the suite has to show: its load, its openings, and what it found out itself. The first one is
/// the figure of the short form.
pub(crate) fn scene_figures(analysis: &Analysis, row: &ScenarioRow) -> Vec<Figure> {
    let scene = Scene::of(analysis, row);
    let mut figures = Vec::new();
    if scene.load.planned > 0 {
        figures.extend(load_figures(&scene));
    }
    let openings = part_of(analysis, row, Kind::Probe);
    if let Some(ramp_ms) = row.detail.get(detail::RAMP_MS).filter(|_| openings.planned > 0) {
        let rate = openings.ok() as f64 * 1e3 / ramp_ms.max(1.0);
        figures.push(Figure::new("ramp_rate_cps", Value::Rate(rate)));
        figures.push(Figure::new("opened_percent", Value::Share { part: openings.ok(), whole: openings.planned }));
        figures.push(Figure::new("late_p99_ms", quantile(&openings.latency, 0.99, "no opening was answered")));
    }
    let of_detail = |(name, value): (&String, &f64)| Figure::new(name, of_unit(name, *value));
    // Of an endpoint, how long it takes in all comes first.
    figures.extend(row.detail.get_key_value(detail::COLD_MS).map(of_detail));
    figures.extend(row.detail.iter().filter(|(name, _)| *name != detail::COLD_MS).map(of_detail));
    figures
}

fn load_figures(scene: &Scene<'_>) -> Vec<Figure> {
    let (load, none) = (&scene.load, "nothing was answered");
    let seconds = scene.window.map_or(0, Window::seconds);
    let rate = |count: u64| {
        Value::or((seconds > 0).then(|| count as f64 / seconds as f64), Value::Rate, "it had no whole second")
    };
    vec![
        Figure::new("p95_ms", quantile(&load.latency, 0.95, none)),
        Figure::new("p50_ms", quantile(&load.latency, 0.5, none)),
        Figure::new("p99_ms", quantile(&load.latency, 0.99, none)),
        Figure::new("max_ms", quantile(&load.latency, 1.0, none)),
        Figure::new("offered_rps", rate(load.planned)),
        Figure::new("answered_rps", rate(load.ok())),
        Figure::new("error_percent", Value::Share { part: load.errors(), whole: load.countable() }),
    ]
}

/// By the unit that a name ends with.
fn of_unit(name: &str, value: f64) -> Value {
    match name.rsplit('_').next() {
        Some("ms") => Value::Ms(value),
        Some("rps" | "cps") => Value::Rate(value),
        Some("percent") => Value::Percent(value),
        Some("bytes") => Value::Bytes(value),
        Some("count" | "status") => Value::Count(value.max(0.0) as u64),
        _ => Value::Number(value),
    }
}

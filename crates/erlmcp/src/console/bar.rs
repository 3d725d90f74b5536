//! How far a phase has come: by its connections in the ramp, by its time in all others.

use std::fmt::Write;
use std::time::Duration;

use erlmcp_record::names::phase;
use erlmcp_report::SecondView;
use erlmcp_report::live::{Event, PhaseStart, scenario_name};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

const COUNTED: &str = "{prefix} [{bar:30}] {pos}/{len} connections, {elapsed}{of}{msg}";
const TIMED: &str = "{prefix} [{time_bar}] {elapsed}{of}{msg}";
const WIDTH: usize = 30;

/// The bar of the phase that runs, below all lines.
pub(super) struct Bar {
    target: Box<dyn Fn() -> ProgressDrawTarget + Send>,
    bar: ProgressBar,
    phase: u8,
    is_counted: bool,
    /// How far the phase has come beside its time: its scenario, or connections.
    reached: String,
    /// Of the newest second of load.
    figures: String,
}

impl Bar {
    /// None is drawn before the first phase.
    pub(super) fn new(target: impl Fn() -> ProgressDrawTarget + Send + 'static) -> Self {
        let bar = ProgressBar::hidden();
        Self {
            target: Box::new(target),
            bar,
            phase: 0,
            is_counted: false,
            reached: String::new(),
            figures: String::new(),
        }
    }

    /// Prints without disturbing it.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    pub(super) fn advance(&mut self, event: &Event) {
        match event {
            Event::PhaseStarted(start) => self.begin(start),
            Event::RampProgress { established, .. } if self.is_counted => self.bar.set_position(*established),
            Event::RampProgress { established, target, .. } => {
                self.reached = format!(" | {established}/{target} connections");
            }
            Event::Second(second) if second.phase == self.phase => self.show(second),
            Event::ScenarioStarted { scenario, scenarios, name, .. } => {
                self.reached = format!(" | {}", scenario_name(*scenario, *scenarios, name));
                self.figures.clear();
            }
            Event::PhaseSummary { .. } | Event::Final(_) => self.bar.finish_and_clear(),
            _ => {}
        }
        self.bar.set_message(format!("{}{}", self.reached, self.figures));
    }

    fn show(&mut self, second: &SecondView) {
        if self.is_counted {
            self.bar.set_position(second.connections);
        }
        self.figures = figures(second);
    }

    fn begin(&mut self, start: &PhaseStart) {
        // One that was given up has had no summary.
        self.bar.finish_and_clear();
        (self.phase, self.is_counted) = (start.number, start.name == phase::RAMP_UP);
        (self.reached, self.figures) = (String::new(), String::new());
        let template = if self.is_counted { COUNTED } else { TIMED };
        let estimate = Duration::from_millis(start.estimated_ms);
        let time_bar = move |state: &ProgressState, into: &mut dyn Write| {
            // A line that cannot be written is drawn again soon.
            let _ = into.write_str(&of_time(state.elapsed(), estimate));
        };
        let about = format!(" of about {} s", start.estimated_ms.div_ceil(1_000));
        let of = move |_: &ProgressState, into: &mut dyn Write| {
            let _ = into.write_str(&about);
        };
        let style = ProgressStyle::with_template(template).expect("the template is a constant");
        let style = style.progress_chars("=>-").with_key("time_bar", time_bar).with_key("of", of);
        let bar = ProgressBar::with_draw_target(Some(start.connections), (self.target)()).with_style(style);
        self.bar = bar.with_prefix(start.name.replace('_', " "));
        self.bar.enable_steady_tick(Duration::from_millis(250));
    }
}

/// "=====>-----"; that it takes longer than the estimate is not hidden.
fn of_time(elapsed: Duration, estimate: Duration) -> String {
    let share = elapsed.as_secs_f64() / estimate.as_secs_f64().max(0.001);
    let filled = ((share * WIDTH as f64) as usize).min(WIDTH);
    let head = if filled < WIDTH { ">" } else { "" };
    let text = format!("{}{head}", "=".repeat(filled));
    let late = if share > 1.0 { " longer than estimated" } else { "" };
    format!("{text:-<WIDTH$}{late}")
}

/// "" of a second without load.
fn figures(second: &SecondView) -> String {
    if second.offered_rps <= 0.0 {
        return String::new();
    }
    let p95 = second.p95_ms.map_or_else(|| "not measured".into(), |ms| format!("{ms:.2} ms"));
    format!(" | {:.0} req/s | P95 {p95} | errors {}", second.answered_rps, second.error_share())
}

#[cfg(test)]
mod tests;

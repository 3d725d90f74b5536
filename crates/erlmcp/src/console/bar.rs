//! How far a phase has come: by its connections in the ramp, by its time in all others.

use std::fmt::Write;
use std::time::Duration;

use erlmcp_record::names::phase;
use erlmcp_report::Span;
use erlmcp_report::live::{Event, PhaseStart};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

const COUNTED: &str = "{prefix} [{bar:30}] {pos}/{len} connections, {elapsed}{msg}";
const TIMED: &str = "{prefix} [{time_bar}] {elapsed}{msg}";
const WIDTH: usize = 30;

/// The bar of the phase that runs, below all lines.
pub(super) struct Bar {
    target: Box<dyn Fn() -> ProgressDrawTarget + Send>,
    bar: ProgressBar,
    is_counted: bool,
}

impl Bar {
    /// None is drawn before the first phase.
    pub(super) fn new(target: impl Fn() -> ProgressDrawTarget + Send + 'static) -> Self {
        Self { target: Box::new(target), bar: ProgressBar::hidden(), is_counted: false }
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
                self.bar.set_message(format!(" | {established}/{target} connections"));
            }
            Event::SustainedLine { span, .. } => self.bar.set_message(figures(span)),
            Event::ScenarioStarted { scenario, scenarios, name, .. } => {
                self.bar.set_message(format!(" | {scenario}/{scenarios} {name}"));
            }
            Event::PhaseSummary { .. } | Event::Final(_) => self.bar.finish_and_clear(),
            _ => {}
        }
    }

    fn begin(&mut self, start: &PhaseStart) {
        // One that was given up has had no summary.
        self.bar.finish_and_clear();
        self.is_counted = start.name == phase::RAMP_UP;
        let template = if self.is_counted { COUNTED } else { TIMED };
        let estimate = Duration::from_millis(start.estimated_ms);
        let time_bar = move |state: &ProgressState, into: &mut dyn Write| {
            // A line that cannot be written is drawn again soon.
            let _ = into.write_str(&of_time(state.elapsed(), estimate));
        };
        let about = format!(" of about {} s", start.estimated_ms.div_ceil(1_000));
        let style = ProgressStyle::with_template(template).expect("the template is a constant");
        let style = style.progress_chars("=>-").with_key("time_bar", time_bar);
        let bar = ProgressBar::with_draw_target(Some(start.connections), (self.target)()).with_style(style);
        self.bar = bar.with_prefix(start.name.replace('_', " ")).with_message(about);
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

fn figures(span: &Span) -> String {
    let p95 = span.p95_ms.map_or_else(|| "not measured".into(), |ms| format!("{ms:.2} ms"));
    let errors = match span.planned {
        0 => "none planned".into(),
        planned => format!("{:.2} %", span.errors as f64 * 100.0 / planned as f64),
    };
    format!(" | {:.0} req/s | P95 {p95} | errors {errors}", span.answered_rps)
}

#[cfg(test)]
mod tests;

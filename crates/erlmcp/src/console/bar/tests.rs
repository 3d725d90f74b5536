use std::io;
use std::sync::{Arc, Mutex};

use indicatif::TermLike;

use erlmcp_record::{Fate, FateCounts};

use super::*;

/// A terminal that keeps all that was ever drawn.
#[derive(Debug, Clone, Default)]
struct Screen(Arc<Mutex<String>>);

impl Screen {
    fn text(&self) -> String {
        self.0.lock().expect("nobody panics while drawing").clone()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        200
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.lock().expect("nobody panics while drawing").push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn started(number: u8, name: &str) -> Event {
    let (connections, ramp_rate, duration_ms) = (1_000, 500.0, 60_000);
    let start = PhaseStart { number, name: name.into(), estimated_ms: 12_000, connections, ramp_rate, duration_ms };
    Event::PhaseStarted(Box::new(start))
}

fn bar() -> (Bar, Screen) {
    let screen = Screen::default();
    let drawn = screen.clone();
    (Bar::new(move || ProgressDrawTarget::term_like(Box::new(drawn.clone()))), screen)
}

#[test]
fn a_ramp_is_drawn_by_its_connections() {
    let (mut bar, screen) = bar();
    bar.advance(&started(2, phase::RAMP_UP));
    bar.advance(&Event::RampProgress { elapsed_s: 5, established: 500, target: 1_000 });
    bar.bar.force_draw();
    let text = screen.text();
    assert!(text.contains("ramp up [===============>--------------] 500/1000 connections"), "{text}");
    assert!(text.contains("of about 12 s"), "{text}");
}

#[test]
fn other_phases_are_drawn_by_their_time_with_the_figures_of_the_newest_second() {
    let (mut bar, screen) = bar();
    bar.advance(&started(3, phase::SUSTAINED_LOAD));
    bar.bar.force_draw();
    assert!(screen.text().contains("sustained load [>-"), "{}", screen.text());
    assert!(screen.text().contains("of about 12 s"), "{}", screen.text());
    let mut fates = FateCounts::default();
    fates.add(Fate::Ok, 199);
    fates.add(Fate::Reset, 1);
    // The generator's own, which is no error; a request of another kind was ok.
    fates.add(Fate::UnsentNoTime, 100);
    let second = |phase: u8, rate: f64| {
        let (p95_ms, load_errors, load_countable) = (Some(3.5), 1, 199);
        let view = SecondView { phase, p95_ms, offered_rps: rate, answered_rps: rate, fates, ..SecondView::default() };
        let view = SecondView { load_errors, load_countable, ..view };
        Event::Second(Box::new(view))
    };
    bar.advance(&second(2, 70.0));
    bar.bar.force_draw();
    assert!(!screen.text().contains("70 req/s"), "that was another phase: {}", screen.text());
    bar.advance(&second(3, 99.5));
    bar.bar.force_draw();
    let text = screen.text();
    assert!(text.contains("of about 12 s | 100 req/s | P95 3.50 ms | errors 0.503%"), "{text}");
    let name = "queue_overflow".to_string();
    bar.advance(&Event::ScenarioStarted { scenario: 2, scenarios: 5, name, text: String::new() });
    bar.advance(&second(3, 99.5));
    bar.bar.force_draw();
    assert!(screen.text().contains("| 2/5 queue overflow | 100 req/s"), "{}", screen.text());
    assert!(!screen.text().contains("1000"), "connections are no measure of this phase: {}", screen.text());
}

#[test]
fn time_past_the_estimate_is_said() {
    let seconds = Duration::from_secs;
    assert_eq!(of_time(seconds(6), seconds(12)), format!("{}>{}", "=".repeat(15), "-".repeat(14)));
    assert_eq!(of_time(seconds(12), seconds(12)), "=".repeat(30));
    assert_eq!(of_time(seconds(13), seconds(12)), format!("{} longer than estimated", "=".repeat(30)));
    assert_eq!(of_time(seconds(0), seconds(0)), format!(">{}", "-".repeat(29)));
}

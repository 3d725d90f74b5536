//! The clocks.

use super::super::finding::{Finding, Weight};
use super::super::readings::Readings;
use super::Need;

/// Each reading of these is a trip to a device, or coarse.
const SLOW: [&str; 4] = ["hpet", "acpi_pm", "jiffies", "pit"];
/// A clock that is being set right goes wrong by at most 500 parts in a million.
const SLEWED: f64 = 500e-6;
/// What reading two clocks one after the other cannot tell apart, microseconds.
const UNSURE_US: f64 = 200.0;

pub(super) fn source(readings: &Readings, _: &Need<'_>) -> Option<Finding> {
    let topic = "clock";
    let source = readings.clock_source.as_deref()?;
    Some(if SLOW.contains(&source) {
        Finding::complaint(
            (topic, "slow-clock", Weight::Warning),
            format!("the kernel reads the time from {source}"),
            "each reading takes microseconds, and a request needs several: the generator reaches its limit early",
            ["echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource".to_string()],
        )
    } else {
        Finding::ok(topic, format!("the kernel reads the time from {source}"))
    })
}

/// A run is timed by the steady clock; what other machines and logs say is matched by the time of day.
pub(super) fn steps(readings: &Readings, _: &Need<'_>) -> Option<Finding> {
    let quiet = readings.quiet.as_ref()?;
    let (shift, watched) = (quiet.shift_us.unsigned_abs() as f64, quiet.watched_us as f64);
    let said =
        format!("the time of day moved by {} us against the steady clock in {:.1} s", quiet.shift_us, watched / 1e6);
    Some(if shift > watched * SLEWED + UNSURE_US {
        Finding::complaint(
            ("time of day", "clock-steps", Weight::Warning),
            said,
            "no latency is bent by it; times of agents on other machines and of the target's log do not match",
            ["chronyc tracking".to_string(), "timedatectl timesync-status".to_string()],
        )
    } else {
        Finding::ok("time of day", said)
    })
}

//! The only place where this crate reads the time of day. The run's clock is `erlmcp_load`'s.

use std::time::SystemTime;

use jiff::Zoned;

/// Now, in the machine's time zone.
pub(crate) fn local_now() -> Zoned {
    Zoned::now()
}

/// Whole seconds since then; 0 of what is yet to come.
pub(crate) fn seconds_since(then: SystemTime) -> u64 {
    SystemTime::now().duration_since(then).map_or(0, |since| since.as_secs())
}

//! The only place where this crate reads the time of day. The run's clock is `erlmcp_load`'s.

use jiff::Zoned;

/// Now, in the machine's time zone.
pub(crate) fn local_now() -> Zoned {
    Zoned::now()
}

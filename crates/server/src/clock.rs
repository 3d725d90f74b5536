//! The only place where this crate reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, nanoseconds. All processes of a machine share it.
pub(crate) fn monotonic_ns() -> u64 {
    read(ClockId::Monotonic)
}

/// Nanoseconds since 1970.
pub(crate) fn unix_ns() -> u64 {
    read(ClockId::Realtime)
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    unix_ns() / 1_000_000_000
}

/// CPU time that this process has used, all threads, nanoseconds.
pub(crate) fn process_cpu_ns() -> u64 {
    read(ClockId::ProcessCPUTime)
}

/// CPU time that this thread has used, nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Where a shard gets its time from: the machine, or a test that moves it by hand.
#[derive(Debug, Clone, Default)]
pub(crate) enum Clock {
    /// CLOCK_MONOTONIC.
    #[default]
    Monotonic,
    /// Nanoseconds, set by whoever holds the other end.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// Nanoseconds since an arbitrary, fixed moment.
    pub(crate) fn now_ns(&self) -> u64 {
        match self {
            Self::Monotonic => monotonic_ns(),
            Self::Manual(ns) => ns.load(Ordering::Relaxed),
        }
    }

    /// Nanoseconds since 1970; a test's clock begins there.
    pub(crate) fn unix_ns(&self) -> u64 {
        match self {
            Self::Monotonic => unix_ns(),
            Self::Manual(ns) => ns.load(Ordering::Relaxed),
        }
    }

    /// Seconds since 1970.
    pub(crate) fn unix_seconds(&self) -> u64 {
        self.unix_ns() / 1_000_000_000
    }
}

/// "Sun, 06 Nov 1994 08:49:37 GMT": the date of HTTP (RFC 9110, 5.6.7).
pub(crate) fn http_date(unix_seconds: u64) -> [u8; 29] {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let days = unix_seconds / 86_400;
    let second = unix_seconds % 86_400;
    let (year, month, day) = civil(days);
    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    date[..3].copy_from_slice(DAYS[(days % 7) as usize]);
    two_digits(&mut date[5..7], day);
    date[8..11].copy_from_slice(MONTHS[(month - 1) as usize]);
    two_digits(&mut date[12..14], year / 100);
    two_digits(&mut date[14..16], year % 100);
    two_digits(&mut date[17..19], second / 3_600);
    two_digits(&mut date[20..22], second / 60 % 60);
    two_digits(&mut date[23..25], second % 60);
    date
}

/// "1994-11-06T08:49:37.000Z": a moment in ms since 1970, as JSON has it (RFC 3339).
pub(crate) fn iso_time(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1_000, unix_ms % 1_000);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

fn two_digits(at: &mut [u8], value: u64) {
    at[0] = b'0' + (value / 10 % 10) as u8;
    at[1] = b'0' + (value % 10) as u8;
}

/// Year, month (1..=12) and day of a day counted from 1970-01-01. Counts in eras of 400 years that begin in March,
/// so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_standard() {
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_785_196_799, "Mon, 27 Jul 2026 23:59:59 GMT"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(std::str::from_utf8(&http_date(seconds)), Ok(expected));
        }
        assert_eq!(iso_time(784_111_777_042), "1994-11-06T08:49:37.042Z");
        assert_eq!(iso_time(951_782_400_000), "2000-02-29T00:00:00.000Z");
    }

    #[test]
    fn a_manual_clock_stands_still() {
        let ns = Arc::new(AtomicU64::new(5));
        let clock = Clock::Manual(Arc::clone(&ns));
        assert_eq!(clock.now_ns(), 5);
        ns.store(9, Ordering::Relaxed);
        assert_eq!(clock.now_ns(), 9);
        assert!(Clock::default().now_ns() > 9);
    }
}

//! Protocol versions, and the two eras that they belong to.

/// How a peer speaks: each request for itself, or in a session after a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Era {
    /// 2026-07-28: no handshake, no session.
    Modern,
    /// `initialize` and what follows from it.
    Legacy,
}

/// A version that this project knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 2025-03-26, legacy.
    V20250326,
    /// 2025-06-18, legacy.
    V20250618,
    /// 2025-11-25, legacy.
    V20251125,
    /// 2026-07-28, modern.
    V20260728,
}

impl Version {
    /// All of them, newest first, as `server/discover` lists versions.
    pub const ALL: [Self; 4] = [Self::V20260728, Self::V20251125, Self::V20250618, Self::V20250326];
    /// The newest one.
    pub const NEWEST: Self = Self::V20260728;
    /// The newest one that has a handshake.
    pub const NEWEST_LEGACY: Self = Self::V20251125;

    /// As it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V20250326 => "2025-03-26",
            Self::V20250618 => "2025-06-18",
            Self::V20251125 => "2025-11-25",
            Self::V20260728 => "2026-07-28",
        }
    }

    /// Reads the wire's text; none for a version that is not known here.
    pub fn parse(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str().as_bytes() == text)
    }

    /// Its era.
    pub const fn era(self) -> Era {
        match self {
            Self::V20260728 => Era::Modern,
            _ => Era::Legacy,
        }
    }
}

/// True for text that has a date's shape and is not before the first modern version: such a header speaks of the
/// modern era even where its version is not known.
pub fn names_modern(text: &[u8]) -> bool {
    let shape = text.len() == 10
        && text
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() });
    shape && text >= Version::V20260728.as_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_written() {
        for version in Version::ALL {
            assert_eq!(Version::parse(version.as_str().as_bytes()), Some(version));
            assert_eq!(version.era() == Era::Modern, names_modern(version.as_str().as_bytes()));
        }
        assert!(Version::ALL.is_sorted_by(|a, b| a > b));
        assert_eq!(Version::parse(b"2024-11-05"), None);
        assert_eq!(Version::parse(b"2026-07-28 "), None);
    }

    #[test]
    fn later_dates_are_modern_though_unknown() {
        for (text, modern) in [
            ("2026-07-29", true),
            ("2027-01-01", true),
            ("2026-07-27", false),
            ("draft", false),
            ("2026/07/28", false),
            ("2026-07-281", false),
        ] {
            assert_eq!(names_modern(text.as_bytes()), modern, "{text}");
        }
    }
}

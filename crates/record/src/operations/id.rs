use std::fmt;

/// The id of an operation: 128 random bits, on the wire as 32 lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u128);

impl OperationId {
    /// Stands where a record concerns no operation.
    pub const NONE: Self = Self(0);

    /// The id that agents write so; None for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let is_own = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_own { u128::from_str_radix(text, 16).ok().map(Self) } else { None }
    }

    /// Stands for an id of any other form (FNV-1a of its bytes), so that it can be told from others.
    pub fn standing_for(text: &str) -> Self {
        const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        Self(text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME)))
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

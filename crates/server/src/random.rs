//! Numbers that nobody can guess.

use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes of the system.
///
/// # Panics
/// Where it has none: without them nothing here is safe.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes
}

//! The corpus of bad input: what is sent, as data, and what must come back. The files are in `tests/corpus`, one a class
//! of reliability.md, section B; docs/wire.md says how they are written.

pub(crate) mod case;
pub(crate) mod guard;
pub(crate) mod peer;
pub(crate) mod run;
pub(crate) mod text;

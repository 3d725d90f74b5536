//! The search for what a target carries: trials of load, and what they tell of the limit.
//!
//! [`search`] decides from the trials so far which comes next, [`course`] which search; both are plain functions.
//! [`Seek`] is the block that does the trials.

mod course;
mod posterior;
mod search;
mod seek;
mod trial;

pub(crate) use seek::Seek;

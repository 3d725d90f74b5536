//! Bodies over `erlmcp-protocol`: each takes any bytes, and panics where something that must hold does not.
#![allow(unreachable_pub, reason = "targets and smokes see more, or less, of it")]

pub mod answers;
pub mod chunks;
pub mod events;
pub mod heads;
pub mod messages;
mod pieces;
pub mod values;

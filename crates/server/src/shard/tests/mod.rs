//! The engine on a simulated network, by a clock that stands still until it is moved.

mod above;
mod any_order;
mod deadlines;
mod drain;
mod memory;
mod order;
mod passing;
mod requests;
mod resuming;
mod secure;
mod serving;
mod stage;
mod streams;
mod waiting;

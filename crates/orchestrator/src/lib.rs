//! Plans, phases, scenarios, faults, the fleet of agents and the collector.

#![forbid(unsafe_code)]

mod config;
mod error;
pub mod plan;

pub use config::{CONNECTIONS, Era, RATE, REPLICAS, StressConfig, ToolCall};
pub use error::StressError;

//! Plans, phases, scenarios, faults, the fleet of agents and the collector.

#![forbid(unsafe_code)]

mod action;
mod assignment;
mod autoscale;
mod calls;
mod capacity;
mod clock;
mod collector;
mod config;
mod describe;
mod discover;
mod doctor;
mod driver;
mod duration;
mod error;
mod event;
pub mod fault;
mod fleet;
mod folder;
mod hands;
mod health;
mod host;
#[cfg(test)]
#[path = "../../erlmcp/tests/it/lacking.rs"]
mod lacking;
mod machine;
mod observe;
mod phase;
pub mod plan;
mod preflight;
mod pressing;
mod proxy;
mod recorder;
mod rig;
mod room;
mod run;
mod scenario;
mod scribe;
#[cfg(test)]
mod stage;
mod stress;
mod target;
mod visit;
mod watch;
mod web;
mod workload;
mod world;

pub use autoscale::{
    AutoscaleConfig, AutoscaleEvent, Change as ReplicaChange, Load as ReplicaLoad, Place, Policy, SwarmService, Trust,
    autoscale,
};
pub use config::{CONNECTIONS, Driver, Era, Joining, JoiningTls, Purpose, RATE, REPLICAS, StressConfig, ToolCall};
pub use discover::{DiscoverConfig, converse, discover};
pub use doctor::{Complaint, Diagnosis, DoctorConfig, Finding, Weight, complaints, doctor};
pub use driver::keep_watch;
pub use duration::parse_duration;
pub use error::StressError;
pub use fault::FaultList;
pub use health::{container_serves, health};
pub use observe::{Reaching, observe, silent_s};
pub use proxy::fault_proxy;
pub use stress::{Outcome, stress};
pub use watch::{ExitOn, WatchConfig, WatchEvent, Watched, Webhook, watch};
pub use web::{Opened, observe_on_a_page};
pub use workload::{Recording, SHIPPED, TraceError, Workload, record, workload_schema};

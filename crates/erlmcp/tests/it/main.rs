//! What is true of the whole: the house rules, and the binary as a user meets it.

mod accidents;
mod auditing;
mod capacity;
mod client_faults;
mod cluster;
#[path = "../../../server/tests/it/collector.rs"]
mod collector;
mod descriptors;
mod discovering;
mod doctoring;
mod documented;
mod encrypted;
mod entering;
mod finished;
mod foreign;
mod joining;
mod lacking;
mod main_job;
mod memory;
mod misuse;
mod paging;
mod rules;
mod script;
mod secured;
mod serving;
mod silent;
mod streaming;
mod suite;
mod targets;
mod terminating;
mod watching;
mod workloads;

//! Operations: calls that take effect at most once, over all attempts and replicas.
//!
//! `heart` decides; `table` keeps in mind and a `store` makes durable, or `postgres` does both in a database that others
//! share; `writer` gathers what many ask into one transaction;
//! `host` and `link` are the two ends of the way between a replica and its store; `course` is what a worker does.

mod attempt;
mod course;
mod export;
mod figures;
mod folder;
mod heart;
mod host;
mod keeper;
mod link;
#[cfg(test)]
mod memory;
mod opening;
mod operation;
mod place;
mod postgres;
mod process;
mod seeded;
mod service;
#[cfg(test)]
mod simulation;
mod sqlite;
mod store;
mod table;
mod unanswered;
mod wire;
mod writer;

pub use folder::PrivateFolder;
pub use opening::OpenError;
pub use operation::{Operation, Transacted, TransactionalTool};
pub use place::StorePlace;
pub use postgres::{AddressError, PostgresAddress};

pub(crate) use attempt::{Attempt, Question, attempt, status};
pub(crate) use heart::{Class, Key};
pub(crate) use postgres::{MAKING, sentence};
pub(crate) use process::{StoreAddress, StoreHost};
pub(crate) use seeded::Bug;
pub(crate) use service::{Operations, random_base};
pub(crate) use table::half;

//! Targets made for the tests: a small real MCP server with one vice, and the verdict that it must get.

mod asking;
mod hostile;
mod naming;
mod server;
mod talks;
mod verdicts;

pub(crate) use server::{Target, Vice};

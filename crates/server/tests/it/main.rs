//! The server over real sockets.

mod bad_input;
mod checks;
mod client;
mod cluster_pages;
mod golden;
mod life;
mod streams;
mod tools;

//! The server over real sockets.

mod asker;
mod asking;
mod bad_input;
mod checks;
mod client;
mod cluster_pages;
mod components;
mod corpus;
mod entry;
mod entry_signed;
mod examples;
mod features;
mod golden;
mod legacy;
mod life;
mod operations;
mod progress;
mod resuming;
mod rounds;
mod streams;
mod subscriptions;
mod tasks;
mod tls;
mod tools;
mod typed;
mod wire;

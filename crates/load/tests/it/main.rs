mod agent;
mod control;
mod server;

mod agent;
mod control;
mod conversation;
mod server;
mod tls;

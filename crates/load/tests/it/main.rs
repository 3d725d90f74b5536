mod agent;
mod control;
mod server;
mod tls;

//! Who may come in: bearer tokens of a file, or signed ones (JWT) by the keys of their issuer; what each principal may
//! use. A server that asks for none of it does not come by here.

mod account;
mod config;
mod fetch;
mod files;
mod gate;
mod jwt;
mod keys;
mod tokens;

pub use config::{EntryConfig, EntryError, JwtConfig};
pub use tokens::new_token;

pub(crate) use account::StreamPlace;
pub(crate) use gate::{Admitted, Denied, Gate, Principal};

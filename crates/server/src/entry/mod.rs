//! Who may come in, and how: bearer tokens of a file, or signed ones (JWT) by the keys of their issuer; what each principal
//! may use; TLS. A server that asks for none of it does not come by here.

mod account;
mod config;
mod files;
mod gate;
mod inside;
mod jwt;
mod keys;
mod recent;
mod tls;
mod tokens;

pub use config::{EntryConfig, EntryError, JwtConfig};
pub use tls::TlsFiles;
pub use tokens::new_token;

pub(crate) use account::StreamPlace;
pub(crate) use gate::{Admitted, Denied, Gate, Principal};
pub(crate) use inside::{Inside, Insider};
pub(crate) use tls::Tls;

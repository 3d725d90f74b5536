//! What a server of MCP reads and sends: request heads, messages, the checks of a request, and the bytes of answers.
//! Everything is read in place; nothing is allocated for a good request.

pub mod access;
pub mod check;
mod framing;
pub mod head;
pub mod legacy;
pub mod message;
pub mod negotiate;
pub mod respond;
mod target;

pub use framing::Body;
pub use head::{Head, HeadLimits, HeadRead, Heads, Method, Refusal, read_head};
pub use message::{Fault, Message, read_message};

//! Why something that is no tool could not be done.

use std::borrow::Cow;

use erlmcp_protocol::code;
use serde_json::{Value, json};

/// An answer that is an error of JSON-RPC. A tool rather answers [`ToolResult::error`](crate::tools::ToolResult::error),
/// which a model can read.
///
/// No other error becomes one by `?`: its text goes to the client, so say which may.
///
/// ```
/// use erlmcp_server::features::Failure;
///
/// fn motto() -> Result<String, Failure> {
///     std::fs::read_to_string("/nowhere").map_err(|_| Failure::internal("there is no motto"))
/// }
/// assert_eq!(motto().unwrap_err().to_string(), "there is no motto");
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub(crate) code: i64,
    pub(crate) message: Cow<'static, str>,
    pub(crate) data: Option<Value>,
}

impl Failure {
    /// What was asked for is no good.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code::INVALID_PARAMS, message: message.into(), data: None }
    }

    /// There is no resource at `uri`.
    pub fn no_resource(uri: &str) -> Self {
        let data = Some(json!({"uri": uri}));
        Self { code: code::NO_RESOURCE, data, ..Self::invalid("there is no resource of that uri") }
    }

    /// The server could not do it.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code::INTERNAL, message: message.into(), data: None }
    }
}

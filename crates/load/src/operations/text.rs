//! What is sent: an attempt, and the question what became of it.

use erlmcp_protocol::client::request::{Ask, BadRequest, Peer, Template};
use erlmcp_protocol::era::Version;
use erlmcp_protocol::header::method;
use erlmcp_protocol::operation;
use erlmcp_record::operations::OperationId;
use ring::digest::{SHA256, digest};

use super::journal::Identity;

/// Whom to ask, and for what.
#[derive(Debug)]
pub(super) struct Texts {
    authority: String,
    path: String,
    tool: String,
}

impl Texts {
    /// # Errors
    /// Where the host, the path or the tool cannot be sent.
    pub(super) fn new(authority: &str, path: &str, tool: &str) -> Result<Self, BadRequest> {
        let texts = Self { authority: authority.into(), path: path.into(), tool: tool.into() };
        let nobody = Identity { operation: OperationId::NONE, fingerprint: 0, nonce: 0 };
        texts.attempt(&nobody, 1, 1)?;
        texts.question(&nobody, 1)?;
        Ok(texts)
    }

    fn peer(&self) -> Peer<'_> {
        Peer { authority: &self.authority, path: &self.path, headers: &[], version: Version::NEWEST, session: None }
    }

    fn arguments(nonce: u64) -> String {
        format!(r#"{{"value":"{nonce:016x}","nonce":"{nonce:016x}"}}"#)
    }

    /// What the store takes for the fingerprint of a call with this nonce.
    pub(super) fn fingerprint(&self, nonce: u64) -> u64 {
        let text = operation::fingerprint_text(&self.tool, &Self::arguments(nonce)).unwrap_or_default();
        operation::short(digest(&SHA256, text.as_bytes()).as_ref())
    }

    pub(super) fn attempt(&self, of: &Identity, attempt: u8, id: u64) -> Result<Vec<u8>, BadRequest> {
        let (arguments, operation) = (Self::arguments(of.nonce), of.operation.to_string());
        let ask = Ask {
            method: method::TOOLS_CALL,
            name: Some(&self.tool),
            arguments: Some(&arguments),
            operation: Some(&operation),
            attempt,
            ..Ask::default()
        };
        self.rendered(&ask, id)
    }

    pub(super) fn question(&self, of: &Identity, id: u64) -> Result<Vec<u8>, BadRequest> {
        let operation = of.operation.to_string();
        self.rendered(&Ask { method: operation::STATUS, operation: Some(&operation), ..Ask::default() }, id)
    }

    fn rendered(&self, ask: &Ask<'_>, id: u64) -> Result<Vec<u8>, BadRequest> {
        let mut text = Vec::new();
        Template::new(&self.peer(), ask)?.write(id, &mut text);
        Ok(text)
    }
}

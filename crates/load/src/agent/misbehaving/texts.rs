//! What misbehaving clients say.

use erlmcp_protocol::client::request::{self, Ask, BadRequest, Peer, Template};
use erlmcp_protocol::era::{Era, Version};
use erlmcp_protocol::header::method;

use crate::proto;
use crate::wire::{ask_of, params};

/// What no server has.
const NO_METHOD: &str = "erlmcp/no-such-method";
const NO_SESSION: &str = "erlmcp-no-such-session";
/// Each request is the first of its connection.
pub(super) const ID: u64 = 1;

/// Rendered once for the target.
#[derive(Debug, Clone)]
pub(in crate::agent) struct Texts {
    pub(super) call: Box<[u8]>,
    pub(super) unknown_method: Box<[u8]>,
    pub(super) bad_json: Box<[u8]>,
    pub(super) wrong_session: Box<[u8]>,
    pub(super) initialize: Box<[u8]>,
    initialized: Box<[u8]>,
}

impl Texts {
    /// `load`: what a load calls without a workload; `tools` are those that the target has told of.
    ///
    /// # Errors
    /// Where one of them cannot be rendered.
    pub(in crate::agent) fn new(
        peer: &Peer<'_>,
        load: Option<&proto::Request>,
        tools: &[proto::Tool],
    ) -> Result<Self, BadRequest> {
        let version = peer.version;
        let version = if version.era() == Era::Legacy { version } else { Version::NEWEST_LEGACY };
        let older = Peer { version, session: None, ..peer.clone() };
        let params = load.map(|load| params(load, tools)).unwrap_or_default();
        let call = load.map_or(Ask { method: method::TOOLS_LIST, ..Ask::default() }, |load| Ask {
            with_progress: false,
            ..ask_of(load, &params)
        });
        let call = whole(peer, &call)?;
        let mut bad_json = call.clone();
        // In place of the body's last brace: what no JSON ends with.
        bad_json.last_mut().into_iter().for_each(|last| *last = b',');
        let list = Ask { method: method::TOOLS_LIST, ..Ask::default() };
        Ok(Self {
            unknown_method: whole(peer, &Ask { method: NO_METHOD, ..Ask::default() })?,
            bad_json,
            wrong_session: whole(&Peer { session: Some(NO_SESSION), ..older.clone() }, &list)?,
            initialize: request::initialize(&older, ID)?.into(),
            initialized: request::initialized(&older)?.into(),
            call,
        })
    }

    /// The handshake's last message in a session that was opened so.
    pub(super) fn initialized(&self, session: &str) -> Vec<u8> {
        let mut message = self.initialized.to_vec();
        request::put_in_session(&mut message, 0, session);
        message
    }
}

fn whole(peer: &Peer<'_>, ask: &Ask<'_>) -> Result<Box<[u8]>, BadRequest> {
    let mut request = Vec::new();
    Template::new(peer, ask)?.write(ID, &mut request);
    Ok(request.into())
}

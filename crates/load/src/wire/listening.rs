//! What opens a stream of notifications, and in which order.

use erlmcp_protocol::client::request::{self, Ask, BadRequest, Peer, Template};
use erlmcp_protocol::era::Era;
use erlmcp_protocol::header::method;
use serde_json::json;

use super::Handshake;
use crate::request::Call;

/// Resources that a stream asks for, at most.
const RESOURCES_MAX: usize = 8;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Listening {
    opens: Opens,
    /// Of the legacy era, where each stream has a session of its own.
    pub(super) handshake: Option<Handshake>,
    /// Of the legacy era: one for each resource.
    subscribe: Vec<Template>,
}

#[derive(Debug, Clone)]
enum Opens {
    Listen(Template),
    Get(Box<[u8]>),
}

impl Listening {
    pub(super) fn new(peer: &Peer<'_>, resources: &[String]) -> Result<Self, BadRequest> {
        let peer = Peer { session: None, ..peer.clone() };
        let resources = &resources[..resources.len().min(RESOURCES_MAX)];
        if peer.version.era() == Era::Modern {
            let mut filter = json!({"toolsListChanged": true});
            if !resources.is_empty() {
                filter["resourceSubscriptions"] = json!(resources);
            }
            let filter = filter.to_string();
            let ask = Ask { method: method::LISTEN, notifications: Some(&filter), ..Ask::default() };
            let opens = Opens::Listen(Template::new(&peer, &ask)?);
            return Ok(Self { opens, handshake: None, subscribe: Vec::new() });
        }
        let subscribe =
            |uri: &String| Template::new(&peer, &Ask { method: method::SUBSCRIBE, name: Some(uri), ..Ask::default() });
        Ok(Self {
            opens: Opens::Get(request::open_stream(&peer)?.into()),
            handshake: Some(Handshake::new(&peer)?),
            subscribe: resources.iter().map(subscribe).collect::<Result<_, _>>()?,
        })
    }

    /// A GET: its stream is acknowledged by the head of the answer, and ends without a result.
    pub(crate) fn is_get(&self) -> bool {
        matches!(self.opens, Opens::Get(_))
    }

    /// What a stream begins with.
    pub(crate) fn first(&self) -> Call {
        if self.handshake.is_some() { Call::Initialize } else { Call::Listen }
    }

    /// What comes after a step that went well.
    pub(crate) fn after(&self, call: Call) -> Call {
        let next = match call {
            Call::Initialize => return Call::Initialized,
            Call::Initialized => 0,
            Call::Subscribe(index) => index + 1,
            _ => return Call::Listen,
        };
        if usize::from(next) < self.subscribe.len() { Call::Subscribe(next) } else { Call::Listen }
    }

    /// Appends the request; false where it is none of a stream's own.
    pub(super) fn write(&self, call: Call, id: u64, out: &mut Vec<u8>) -> bool {
        match (call, &self.opens) {
            (Call::Listen, Opens::Listen(template)) => template.write(id, out),
            (Call::Listen, Opens::Get(get)) => out.extend_from_slice(get),
            (Call::Subscribe(index), _) => match self.subscribe.get(usize::from(index)) {
                Some(template) => template.write(id, out),
                None => return false,
            },
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use erlmcp_protocol::era::Version;

    use super::*;

    fn of(version: Version, resources: &[&str]) -> Listening {
        let peer = Peer { authority: "a:1", path: "/mcp", headers: &[], version, session: Some("shared") };
        let resources: Vec<String> = resources.iter().map(|uri| uri.to_string()).collect();
        Listening::new(&peer, &resources).expect("nothing is wrong with it")
    }

    fn steps(listening: &Listening) -> Vec<Call> {
        let mut steps = vec![listening.first()];
        while let Some(last) = steps.last().filter(|call| **call != Call::Listen) {
            steps.push(listening.after(*last));
        }
        steps
    }

    fn written(listening: &Listening, call: Call) -> String {
        let mut out = Vec::new();
        assert!(listening.write(call, 7, &mut out));
        String::from_utf8(out).expect("requests are text")
    }

    #[test]
    fn a_modern_stream_is_one_request() {
        let listening = of(Version::NEWEST, &["app://a", "app://b"]);
        assert_eq!(steps(&listening), [Call::Listen]);
        let sent = written(&listening, Call::Listen);
        for member in [r#""resourceSubscriptions":["app://a","app://b"]"#, r#""toolsListChanged":true"#] {
            assert!(sent.contains(member), "{sent}");
        }
        assert!(!listening.is_get());
        assert!(!written(&of(Version::NEWEST, &[]), Call::Listen).contains("resourceSubscriptions"));
    }

    #[test]
    fn a_legacy_stream_is_a_get_in_a_session_of_its_own() {
        let listening = of(Version::NEWEST_LEGACY, &["app://a", "app://b"]);
        let expected = [Call::Initialize, Call::Initialized, Call::Subscribe(0), Call::Subscribe(1), Call::Listen];
        assert_eq!(steps(&listening), expected);
        assert!(written(&listening, Call::Subscribe(1)).contains(r#""params":{"uri":"app://b"}"#));
        let get = written(&listening, Call::Listen);
        assert!(get.starts_with("GET /mcp HTTP/1.1\r\n") && !get.contains("shared"), "{get}");
        assert!(listening.is_get() && !listening.write(Call::Subscribe(2), 1, &mut Vec::new()));
    }
}

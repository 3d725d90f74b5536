//! The steps of a workload on the wire.

use std::sync::Arc;

use erlmcp_protocol::client::gaps::{self, Gapped};
use erlmcp_protocol::client::request::{Ask, Peer};
use erlmcp_protocol::era::Era;
use erlmcp_protocol::header::method;

use super::{Calls, ask_of, params};
use crate::proto;
use crate::request::Call;
use crate::workload::{BadWorkload, Workload};

impl Calls {
    /// The same, where load is what the workload says. `seed` and agent decide its values.
    ///
    /// # Errors
    /// Where one of its steps cannot be rendered.
    pub(crate) fn with_workload(
        self,
        peer: &Peer<'_>,
        workload: &proto::Workload,
        tools: &[proto::Tool],
        (seed, agent): (u64, u32),
    ) -> Result<Self, BadWorkload> {
        let peer = if self.has_own_sessions() { Peer { session: None, ..peer.clone() } } else { peer.clone() };
        let render = |request: &proto::Request| render(&peer, request, tools);
        let workload = Workload::new(workload, (seed, agent), render)?;
        Ok(Self { workload: Some(Arc::new(workload)), ..self })
    }

    #[cfg(test)]
    pub(crate) fn with_workload_of_tests(workload: &proto::Workload, seed: u64) -> Self {
        let version = erlmcp_protocol::era::Version::NEWEST;
        let peer = Peer { authority: "127.0.0.1:8080", path: "/mcp", headers: &[], version, session: None };
        Self::for_tests().with_workload(&peer, workload, &[], (seed, 0)).expect("nothing is wrong with it")
    }

    pub(crate) fn workload(&self) -> Option<&Arc<Workload>> {
        self.workload.as_ref()
    }

    /// False where the call is no step of the workload.
    pub(super) fn write_step(&self, call: Call, id: u64, members: &str, out: &mut Vec<u8>) -> bool {
        let (Call::Step { step, session }, Some(workload)) = (call, &self.workload) else { return false };
        workload.write((step, session), id, members, out);
        true
    }
}

fn render(peer: &Peer<'_>, request: &proto::Request, tools: &[proto::Tool]) -> Result<Gapped, BadWorkload> {
    let label = || format!("{} {}", request.method, request.name).trim().to_string();
    let bad = |why: String| BadWorkload::Step { label: label(), why };
    let headers = params(request, tools);
    let without = proto::Request { arguments: without_gaps(&request.arguments), ..request.clone() };
    if params(&without, tools) != headers {
        let why = "the tool wants an argument in a header that the workload varies: give that one a fixed value";
        return Err(bad(why.into()));
    }
    // The older era has no such method; what it has for "are you there" takes its place.
    let is_modern_only = request.method == method::DISCOVER && peer.version.era() == Era::Legacy;
    let ask = ask_of(request, &headers);
    let method = if is_modern_only { method::PING } else { ask.method };
    Gapped::new(peer, &Ask { method, with_progress: false, ..ask }).map_err(|why| bad(why.to_string()))
}

/// The arguments, their gaps filled with nothing.
fn without_gaps(arguments: &str) -> String {
    arguments.chars().filter(|letter| !gaps::looks_like_gap(letter.encode_utf8(&mut [0; 4]))).collect()
}

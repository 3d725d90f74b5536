//! Where the span of a request begins and ends.

use std::borrow::Cow;

use erlmcp_protocol::header::method;
use erlmcp_protocol::server::Message;

use super::catalog::SERVED;
use super::mcp::label;
use super::{Asker, Dispatcher};
use crate::metrics::counters::Method;
use crate::telemetry::{Begun, Target, cut};

/// Methods of this server that have no label of their own in the metrics, or not at the beginning.
const UNLABELLED: [&str; 8] = [
    method::INITIALIZE,
    method::PING,
    method::SET_LEVEL,
    method::SUBSCRIBE,
    method::UNSUBSCRIBE,
    method::TASKS_GET,
    method::TASKS_UPDATE,
    method::TASKS_CANCEL,
];

impl Dispatcher {
    /// Begins the span of a request, where it is one that gets one.
    #[inline(never)]
    pub(super) fn begin_trace(&mut self, message: &Message<'_>, asker: &Asker) {
        let dice = self.next_random();
        // A notification is not answered.
        let (Some(outlet), Some(id)) = (&self.outlet, message.id) else { return };
        self.current.trace = outlet.begin(&message.params.meta, dice, || self.begun(message, id, asker));
    }

    #[inline(never)]
    pub(super) fn end_trace(&mut self) {
        self.current.trace.end(self.shared.clock.now_ns(), self.current.outcome, &self.body);
    }

    fn begun(&self, message: &Message<'_>, id: &str, asker: &Asker) -> Begun {
        let labelled = label(message);
        let (method, is_known) = match labelled {
            Method::Other => {
                let known = UNLABELLED.iter().find(|known| message.method.is(known));
                let unknown = || Cow::Owned(cut(&message.method.decode()).into());
                (known.map_or_else(unknown, |known| Cow::Borrowed(*known)), known.is_some())
            }
            labelled => (Cow::Borrowed(labelled.label()), true),
        };
        let (params, registry) = (&message.params, &self.shared.registry);
        let name = || params.name.map(|name| name.decode());
        let target = match labelled {
            Method::ToolsCall => name().map(|name| Target::Tool(cut(&name), registry.find(&name).is_some())),
            Method::PromptsGet => {
                name().map(|name| Target::Prompt(cut(&name), registry.offers.prompt(&name).is_some()))
            }
            _ => params.uri.map(|uri| Target::Resource(cut(&uri.decode()))),
        };
        let asked = params.meta.protocol_version;
        let version =
            SERVED.iter().map(|version| version.as_str()).find(|served| asked.is_some_and(|it| it.is(served)));
        // A string without its quotes.
        let id = cut(id.trim_matches('"'));
        Begun { method, is_known, target, id, version, began_ns: asker.now_ns }
    }
}

//! One request to its end: rounds where the result asks for input, and streams that are gone on with.

use std::time::Duration;

use erlmcp_protocol::client::answer::{Answer, Said};
use erlmcp_protocol::client::canned;
use erlmcp_protocol::client::request::{self, Ask, Template};
use erlmcp_protocol::era::Era;
use erlmcp_protocol::header::method;

use super::super::target::Spoken;
use super::exchange::{Answered, Exchanger, next_id};
use super::handshake;
use super::trouble::Trouble;
use crate::clock::monotonic_ns;

/// Legs after the first one, at most.
const LEGS_MAX: u32 = 16;
/// All of them together.
const LEGS_NS: u64 = 30_000_000_000;
/// How long a stream is left alone where the server does not say.
const RETRY: Duration = Duration::from_secs(1);

/// Where the stream of an answer goes on, and how long it is to be left alone before.
pub(super) fn resumption(answer: &Answer) -> Option<(String, Duration)> {
    let wait = answer.retry_ms().map_or(RETRY, Duration::from_millis);
    Some((answer.last_event_id()?.to_string(), wait))
}

impl Exchanger<'_> {
    /// Asks, and answers with what is wanted until the request has come to its end. Where the session had ended before it,
    /// another one takes its place.
    pub(super) fn ask(&mut self, spoken: &mut Spoken, ask: &Ask<'_>) -> Result<Answered, Trouble> {
        let (all_until_ns, mut request) = (monotonic_ns() + LEGS_NS, Vec::new());
        let asked = handshake::renewing(self, spoken, |exchanger, spoken| {
            let (template, id) = (Template::new(&exchanger.target.peer(spoken), ask)?, next_id());
            request.clear();
            template.write(id, &mut request);
            Ok((exchanger.send(ask, &request, (id, all_until_ns))?, (template, id)))
        });
        let (mut answered, (template, mut id)) = asked?;
        for _ in 0..LEGS_MAX {
            request.clear();
            let left = Duration::from_nanos(all_until_ns.saturating_sub(monotonic_ns()));
            match (answered.said, spoken.version.era(), &answered.goes_on) {
                (Said::InputRequired, Era::Modern, _) => {
                    let Some(members) = canned::round(&answered.record.message) else { break };
                    id = next_id();
                    template.write_round(id, &members, &mut request);
                    answered = self.send(ask, &request, (id, all_until_ns))?;
                }
                (Said::NoResponse, Era::Legacy, Some((after, wait))) if *wait < left => {
                    request.extend(request::open_stream(&self.target.peer(spoken))?);
                    request::put_last_event_id(&mut request, 0, after);
                    std::thread::sleep(*wait);
                    answered = self.resume(&request, id, self.until_ns().min(all_until_ns))?;
                }
                _ => break,
            }
        }
        Ok(answered)
    }

    /// A call may change something.
    fn send(&mut self, ask: &Ask<'_>, request: &[u8], (id, all_until_ns): (u64, u64)) -> Result<Answered, Trouble> {
        let until_ns = self.until_ns().min(all_until_ns);
        match ask.method {
            method::TOOLS_CALL => self.exchange_once(request, id, until_ns),
            _ => self.exchange_by(request, id, until_ns),
        }
    }
}

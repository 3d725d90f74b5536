//! A tool that the user has named, called by itself.

use erlmcp_protocol::client::answer::Said;
use erlmcp_protocol::client::request::{Ask, Template};
use erlmcp_protocol::era::Era;
use erlmcp_protocol::header::method;

use super::super::target::Spoken;
use super::exchange::{Answered, Exchanger, next_id};
use super::trouble::Trouble;
use super::{handshake, plain};
use crate::{proto, wire};

/// A tool and its arguments: a JSON object, or empty for none.
#[derive(Debug, Clone, Copy)]
pub(in crate::agent) struct Named<'a> {
    pub(in crate::agent) tool: &'a str,
    pub(in crate::agent) arguments: &'a str,
    /// Those that the target has told of.
    pub(in crate::agent) tools: &'a [proto::Tool],
}

/// Gives the time just before the call, which goes on a connection that is warm, and in a session that has not ended:
/// another one takes its place.
pub(super) fn call(
    exchanger: &mut Exchanger<'_>,
    spoken: &mut Spoken,
    named: &Named<'_>,
    now_us: &impl Fn() -> u64,
) -> Result<u64, Trouble> {
    let harmless = match spoken.version.era() {
        Era::Modern => method::DISCOVER,
        Era::Legacy => method::PING,
    };
    let (answered, _) =
        handshake::renewing(exchanger, spoken, |exchanger, spoken| ask(exchanger, spoken, &plain(harmless), now_us))?;
    done(&answered)?;
    let arguments = if named.arguments.is_empty() { "{}" } else { named.arguments };
    let request = request(named.tool, arguments);
    let params = wire::params(&request, named.tools);
    let (answered, asked_us) = ask(exchanger, spoken, &wire::ask_of(&request, &params), now_us)?;
    done(&answered).map(|()| asked_us)
}

fn request(tool: &str, arguments: &str) -> proto::Request {
    let (method, name, arguments) = (method::TOOLS_CALL.into(), tool.into(), arguments.into());
    proto::Request { method, name, arguments, ..proto::Request::default() }
}

fn ask(
    exchanger: &mut Exchanger<'_>,
    spoken: &Spoken,
    ask: &Ask<'_>,
    now_us: &impl Fn() -> u64,
) -> Result<(Answered, u64), Trouble> {
    let (id, mut request) = (next_id(), Vec::new());
    Template::new(&exchanger.target.peer(spoken), ask)?.write(id, &mut request);
    let asked_us = now_us();
    let until_ns = exchanger.until_ns();
    Ok((exchanger.exchange_once(&request, id, until_ns)?, asked_us))
}

pub(super) fn done(answered: &Answered) -> Result<(), Trouble> {
    match answered.said {
        Said::Ok => Ok(()),
        Said::ToolError => Err(Trouble::NotDone("isError".into())),
        Said::RpcError(code) => Err(Trouble::NotDone(format!("error {code}"))),
        _ => Err(Trouble::NotDone(format!("HTTP {} and no result", answered.status))),
    }
}

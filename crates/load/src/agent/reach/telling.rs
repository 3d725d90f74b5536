//! A word to somebody who is no MCP server: a JSON text that is posted to an address, as webhooks take it.

use super::super::target::{BadSetup, Target};
use super::exchange::Exchanger;
use super::{PATIENCE, at_some};
use crate::proto;

/// Posts it to where `setup` leads, and gives the status of the answer. What else the answer says is not read. It waits,
/// so it is called on a thread that may.
///
/// # Errors
/// Where nobody answers in HTTP: one sentence.
pub fn tell(setup: &proto::Setup, json: &str) -> Result<u16, String> {
    let target = Target::of(setup).map_err(|error: BadSetup| error.to_string())?;
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: erlmcp\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{json}",
        target.path,
        target.authority,
        json.len()
    );
    let told = at_some(&target, 0, |address| {
        let mut exchanger = Exchanger::new(&target, address, PATIENCE)?;
        exchanger.begin_stream(request.as_bytes()).map(|(status, _)| status)
    });
    told.map_err(|trouble| trouble.to_string())
}

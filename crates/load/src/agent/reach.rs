//! Who is there? Finds out the era, the versions, the server's name and its tools, before any load; or says in one
//! sentence why that cannot be found out. It waits, so it is called on a thread of its own.

mod approach;
mod asking;
mod calling;
mod conversation;
mod courier;
mod discover;
mod ear;
mod exchange;
mod found;
mod handshake;
mod keep_alive;
mod knock;
mod listing;
mod missing;
mod offered;
mod survey;
mod telling;
#[cfg(test)]
mod tests;
mod timed;
mod trouble;

use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_protocol::client::request::Ask;
use erlmcp_protocol::header::method;

use super::target::{Eras, Spoken, Target};
use crate::proto;
pub use approach::{Approach, Step, approach, page};
pub(super) use calling::Named;
pub use conversation::{Conversation, converse};
pub use courier::Courier;
use discover::Probe;
use exchange::Exchanger;
pub(super) use found::Found;
pub use keep_alive::KeepAlive;
pub(super) use knock::knock;
pub(super) use survey::Surveyed;
pub use telling::tell;
pub(super) use trouble::Trouble;

/// A probe waits for its answer at most so long: enough for a slow server, not for a load.
const PATIENCE: Duration = Duration::from_secs(10);
/// Addresses tried at most, where some do not answer.
const ADDRESSES_MAX: usize = 3;

/// Asks the target, at its first address that answers, from the one with this number on.
///
/// # Errors
/// Where nobody answers, or not in MCP.
pub(super) fn reach(target: &Target, first: usize) -> Result<Found, Trouble> {
    at_some(target, first, |address| reach_at(target, address))
}

/// Does it at the first address where somebody answers, from the one with this number on.
fn at_some<T>(
    target: &Target,
    first: usize,
    mut ask: impl FnMut(SocketAddr) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let count = target.endpoints.len();
    let mut trouble = Trouble::NoAddress;
    for step in 0..count.min(ADDRESSES_MAX) {
        let (_, address) = target.endpoints[(first + step) % count];
        match ask(address) {
            Err(unreachable) if unreachable.may_be_the_address() => trouble = unreachable,
            result => return result,
        }
    }
    Err(trouble)
}

/// What of this the target does not have, as it was found. Where the session has ended, another one takes its place.
///
/// # Errors
/// Where nobody answers any more.
pub(super) fn missing(
    target: &Target,
    first: usize,
    found: &mut Found,
    wanted: &proto::Wanted,
) -> Result<Vec<proto::Missing>, Trouble> {
    at_some(target, first, |address| {
        let mut exchanger = Exchanger::new(target, address, PATIENCE)?;
        missing::missing(&mut exchanger, found, wanted)
    })
}

/// What it has beside its tools that can be asked for without harm.
///
/// # Errors
/// Where nobody answers any more.
pub(super) fn offered(target: &Target, first: usize, found: &mut Found) -> Result<proto::Offered, Trouble> {
    at_some(target, first, |address| {
        let mut exchanger = Exchanger::new(target, address, PATIENCE)?;
        Ok(offered::offered(&mut exchanger, found))
    })
}

/// Opens a legacy session.
///
/// # Errors
/// Where nobody answers, or not so.
pub(super) fn open_session(target: &Target, first: usize) -> Result<Spoken, Trouble> {
    at_some(target, first, |address| {
        let mut exchanger = Exchanger::new(target, address, PATIENCE)?;
        handshake::open(&mut exchanger, None).map(|found| found.spoken)
    })
}

/// The resources that the target lets clients subscribe to; none where it does not.
pub(super) fn subscribable(target: &Target, first: usize) -> Result<Vec<String>, Trouble> {
    at_some(target, first, |address| {
        let mut exchanger = Exchanger::new(target, address, PATIENCE)?;
        let mut found = meet(&mut exchanger)?;
        let listed = if found.about["capabilities"]["resources"]["subscribe"] == true {
            listing::list(&mut exchanger, &mut found.spoken, (method::RESOURCES_LIST, "resources"))?
        } else {
            Vec::new()
        };
        farewell(target, &found.spoken);
        Ok(listed.iter().filter_map(|resource| resource["uri"].as_str().map(str::to_string)).collect())
    })
}

/// Calls a tool; gives the time just before, as `now_us` tells it. Where the session has ended, another one takes its place.
///
/// # Errors
/// Where it is not called, or does not do what it is for.
pub(super) fn call(
    target: &Target,
    first: usize,
    spoken: &mut Spoken,
    named: &Named<'_>,
    now_us: impl Fn() -> u64,
) -> Result<u64, Trouble> {
    // At one address only: what was perhaps done is not done again.
    let address = target.endpoints.get(first % target.endpoints.len().max(1)).ok_or(Trouble::NoAddress)?.1;
    let mut exchanger = Exchanger::new(target, address, PATIENCE)?;
    calling::call(&mut exchanger, spoken, named, &now_us)
}

/// Asks the target for everything that it tells of itself.
/// A stream of it is watched for keep-alives for at most `watch`.
pub(super) fn survey(target: &Target, watch: Duration) -> Result<Surveyed, Trouble> {
    at_some(target, 0, |address| survey::at(target, address, watch))
}

fn reach_at(target: &Target, address: SocketAddr) -> Result<Found, Trouble> {
    let mut exchanger = Exchanger::new(target, address, PATIENCE)?;
    let mut found = meet(&mut exchanger)?;
    listing::tools(&mut exchanger, &mut found)?;
    Ok(found)
}

/// Finds out the era, and opens a session where it is the legacy one.
fn meet(exchanger: &mut Exchanger<'_>) -> Result<Found, Trouble> {
    let target = exchanger.target;
    if target.eras == Eras::Legacy {
        return handshake::open(exchanger, None).map_err(|trouble| {
            let is_refusal = matches!(trouble, Trouble::Rejected(_) | Trouble::NotMcp(_) | Trouble::Offered(_));
            match is_refusal.then(|| discover::probe(exchanger)) {
                Some(Ok(Probe::Modern(_))) => Trouble::OnlyModern,
                _ => trouble,
            }
        });
    }
    match discover::probe(exchanger)? {
        Probe::Modern(found) => Ok(found),
        Probe::NotModern(why) if target.eras == Eras::Modern => Err(why),
        Probe::NotModern(why) => handshake::open(exchanger, Some(why)),
    }
}

/// Ends a legacy session, if there is one. Whether the server cares is its own affair.
pub(super) fn farewell(target: &Target, spoken: &Spoken) {
    let Some((_, address)) = target.endpoints.first().filter(|_| spoken.session.is_some()) else { return };
    let Ok(mut exchanger) = Exchanger::new(target, *address, Duration::from_secs(1)) else { return };
    if let Ok(request) = erlmcp_protocol::client::request::end_session(&target.peer(spoken)) {
        let _ = exchanger.exchange(&request, 0);
    }
}

/// A request of one method without parameters.
fn plain(method: &str) -> Ask<'_> {
    Ask { method, ..Ask::default() }
}

//! The legacy handshake: `initialize`, and the session that it may open.

use erlmcp_protocol::client::answer::{Said, session_has_ended};
use erlmcp_protocol::client::head::header;
use erlmcp_protocol::client::request;
use erlmcp_protocol::era::{Era, Version};
use erlmcp_protocol::header::name;

use super::super::target::Spoken;
use super::discover::not_mcp;
use super::exchange::{Answered, Exchanger, next_id};
use super::found::{Found, named};
use super::trouble::Trouble;

/// Asks; where the answer says that the session has ended, once more in another one, which takes its place. Gives the answer
/// and what `ask` gives beside it.
pub(super) fn renewing<'t, T>(
    exchanger: &mut Exchanger<'t>,
    spoken: &mut Spoken,
    mut ask: impl FnMut(&mut Exchanger<'t>, &Spoken) -> Result<(Answered, T), Trouble>,
) -> Result<(Answered, T), Trouble> {
    let (answered, beside) = ask(exchanger, spoken)?;
    if !session_has_ended(answered.status, answered.said) || spoken.session.is_none() {
        return Ok((answered, beside));
    }
    *spoken = open(exchanger, None)?.spoken;
    ask(exchanger, spoken)
}

/// Opens a session. `before` is what was wrong with the modern probe, which is told where this fails as well.
pub(super) fn open(exchanger: &mut Exchanger<'_>, before: Option<Trouble>) -> Result<Found, Trouble> {
    let target = exchanger.target;
    let mut spoken = Spoken { version: Version::NEWEST_LEGACY, session: None };
    let id = next_id();
    let answered = exchanger.exchange(&request::initialize(&target.peer(&spoken), id)?, id)?;
    if answered.said != Said::Ok {
        let now = not_mcp(&answered, target)?;
        // Where a server names older versions itself, what it says to one of them tells more.
        return Err(before.filter(|before| !matches!(before, Trouble::OtherVersions(_))).unwrap_or(now));
    }
    let message = answered.message();
    let result = &message["result"];
    let offered = result["protocolVersion"].as_str().unwrap_or_default();
    spoken.version = Version::parse(offered.as_bytes())
        .filter(|version| version.era() == Era::Legacy)
        .ok_or_else(|| Trouble::Offered(target.secrets.told(offered)))?;
    let session = header(&answered.record.head, name::SESSION_ID);
    spoken.session = session.map(|session| String::from_utf8_lossy(session).into_owned());
    exchanger.in_session(&spoken);
    let told = exchanger.exchange(&request::initialized(&target.peer(&spoken))?, 0)?;
    if !(200..300).contains(&told.status) {
        return Err(Trouble::Rejected(format!("HTTP {} to notifications/initialized", told.status)));
    }
    Ok(Found {
        versions: vec![spoken.version.as_str().to_string()],
        server: target.secrets.told(&named(&result["serverInfo"])),
        about: result.clone(),
        tools: Vec::new(),
        spoken,
    })
}

//! Everything that a target tells of itself, for people.

use std::time::Duration;

use erlmcp_protocol::era::Era;
use erlmcp_protocol::header::meta;
use serde::Serialize;
use serde_json::Value;

use super::reach::{self, KeepAlive, Surveyed};
use super::target::{BadSetup, Secrets, Target};
use crate::proto;

/// What a target is and has. What it does not say is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    /// "modern" or "legacy".
    pub era: &'static str,
    /// The version that was spoken.
    pub version: &'static str,
    /// Those that the server names; of the legacy era the one that was agreed on.
    pub versions: Vec<String>,
    /// Its name, version and whatever else it says of itself.
    pub server: Value,
    pub instructions: Option<String>,
    pub capabilities: Value,
    /// "json" or "sse": how it answered.
    pub answers: &'static str,
    /// It gave a session id.
    pub session: bool,
    /// None: it got none.
    pub get: Option<GetAnswer>,
    /// None: it was not looked for, or there is no stream to look at.
    pub keep_alive: Option<KeepAlive>,
    /// ALPN would agree on HTTP/2; None without TLS.
    pub h2: Option<bool>,
    pub tools: Vec<Value>,
    pub resources: Vec<Value>,
    pub resource_templates: Vec<Value>,
    pub prompts: Vec<Value>,
}

/// The answer to a GET of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GetAnswer {
    pub status: u16,
    /// An event stream began.
    pub stream: bool,
}

/// Asks the target, with a few requests that change nothing, and ends the session that it may have opened. It waits,
/// so it is called on a thread that may. `setup` as an agent gets it. A stream of the server's is
/// watched for keep-alives for at most `watch`.
///
/// # Errors
/// One sentence that says why nothing can be found out, and what to do.
pub fn survey(setup: &proto::Setup, watch: Duration) -> Result<Survey, String> {
    let target = Target::of(setup).map_err(|error: BadSetup| error.to_string())?;
    let surveyed = reach::survey(&target, watch).map_err(|trouble| trouble.to_string())?;
    reach::farewell(&target, &surveyed.found.spoken);
    Ok(Survey::of(surveyed, &target.secrets))
}

impl Survey {
    fn of(surveyed: Surveyed, secrets: &Secrets) -> Self {
        let Surveyed { found, tools, resources, templates, prompts, has_streamed, get, keep_alive, offers_h2 } =
            surveyed;
        let about = &found.about;
        let meant = &about["_meta"][meta::SERVER_INFO];
        let told = |mut value: Value| {
            secrets.hide_in(&mut value);
            value
        };
        let all = |values: Vec<Value>| values.into_iter().map(told).collect();
        Self {
            era: match found.spoken.version.era() {
                Era::Modern => "modern",
                Era::Legacy => "legacy",
            },
            version: found.spoken.version.as_str(),
            versions: found.versions.clone(),
            server: told(if meant.is_object() { meant.clone() } else { about["serverInfo"].clone() }),
            instructions: told(about["instructions"].clone()).as_str().map(str::to_string),
            capabilities: told(about["capabilities"].clone()),
            answers: if has_streamed { "sse" } else { "json" },
            session: found.spoken.session.is_some(),
            get: get.map(|(status, stream)| GetAnswer { status, stream }),
            keep_alive,
            h2: offers_h2,
            tools: all(tools),
            resources: all(resources),
            resource_templates: all(templates),
            prompts: all(prompts),
        }
    }
}

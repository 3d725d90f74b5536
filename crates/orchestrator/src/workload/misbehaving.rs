//! Clients beside the connections that are wrong on purpose.

use std::time::Duration;

use erlmcp_load::Misbehaviour;
use erlmcp_record::MisbehavingClients;
use toml::Spanned;

use super::Workload;
use super::file::MisbehavingForm;
use super::parse::{Wrong, span, within};
use crate::StressConfig;

/// Of all together, of the connections: they are beside a load, and not it.
const SHARE_MAX: f64 = 0.5;
/// In all: each is a task of an agent's.
const CLIENTS_MAX: u64 = 20_000;
const EVERY: &str = "1s..3s";
const EVERY_MIN: Duration = Duration::from_millis(10);

/// Those of one way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Misbehaving {
    pub(crate) way: Misbehaviour,
    /// Of the connections.
    share: f64,
    /// From the end of one deed to the next, drawn between these two.
    pub(crate) every: (Duration, Duration),
}

impl Misbehaving {
    /// At least one.
    pub(crate) fn clients(&self, connections: u64) -> u64 {
        ((self.share * connections as f64).round() as u64).max(1)
    }
}

/// What is wrong in a form is told with its place.
pub(super) fn parse(forms: &[Spanned<MisbehavingForm>]) -> Result<Vec<Misbehaving>, Wrong> {
    let mut all: Vec<Misbehaving> = Vec::new();
    for form in forms {
        all.push(within(form, |form| {
            let way = form.way.get_ref().way();
            if all.iter().any(|other| other.way == way) {
                return Err(format!("{} is there twice: give one of them the share of both", way.name()).into());
            }
            let sum = all.iter().map(|other| other.share).sum::<f64>() + form.share;
            if form.share.is_nan() || form.share <= 0.0 || sum > SHARE_MAX {
                let most = SHARE_MAX;
                let why =
                    format!("share is above 0, and all together are {most} of the connections at most, not {sum}");
                return Err(why.into());
            }
            let every = span(Some(form.every.as_deref().unwrap_or(EVERY)), "every")?;
            if every.1 < EVERY_MIN {
                return Err(format!("every is {} ms at least", EVERY_MIN.as_millis()).into());
            }
            Ok(Misbehaving { way, share: form.share, every })
        })?);
    }
    Ok(all)
}

impl Workload {
    /// How many of each way there are beside so many connections.
    pub(super) fn misbehaving_clients(&self, connections: u64) -> Vec<MisbehavingClients> {
        let clients =
            |one: &Misbehaving| MisbehavingClients { way: one.way.name().into(), clients: one.clients(connections) };
        self.misbehaving.iter().map(clients).collect()
    }

    /// All of them.
    pub(crate) fn misbehaving_count(&self, connections: u64) -> u64 {
        self.misbehaving.iter().map(|one| one.clients(connections)).sum()
    }

    pub(super) fn check_misbehaving(&self, config: &StressConfig) -> Result<(), String> {
        let count = self.misbehaving_count(config.connections());
        if count > CLIENTS_MAX {
            return Err(format!(
                "the workload {} has {count} misbehaving clients beside {} connections, and there may be {CLIENTS_MAX}: \
                 give them smaller shares",
                self.name,
                config.connections()
            ));
        }
        Ok(())
    }
}

//! `doctor`: what would stop a run here or bend its figures, and what mends it.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

mod command;
mod examine;
mod finding;
mod group;
mod load;
mod quiet;
mod readings;
mod target;
mod trial;
mod way;

use crate::target::Url;
use crate::{StressConfig, StressError, driver};
pub(crate) use examine::{Leads, Need, examine};
pub use finding::{Complaint, Finding, Weight, complaints};
pub(crate) use readings::Readings;

/// How long the machine is watched for others that use it.
const WATCHED: Duration = Duration::from_secs(1);

/// What is to be examined.
#[derive(Debug, Clone)]
pub struct DoctorConfig {
    /// The run that is thought of.
    pub run: StressConfig,
    /// How long a short load on the target takes; None: without one.
    pub load: Option<Duration>,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// None: the run would have a cluster of its own.
    pub url: Option<String>,
    /// Connections that the run would hold.
    pub connections: u64,
    pub machine: Vec<Finding>,
    pub target: Vec<Finding>,
}

impl Diagnosis {
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.machine.iter().chain(&self.target)
    }

    /// Of the weightiest finding.
    pub fn weight(&self) -> Weight {
        self.findings().map(|finding| finding.weight).max().unwrap_or(Weight::Unknown)
    }
}

/// Examines this machine and, where there is one, the target: its way with a few requests that change nothing, and where
/// nothing stops a run, a short load of calls that change nothing. As `stress`, it is called on the process's main
/// thread, on a runtime of one thread.
///
/// # Errors
/// Where what was asked cannot be run at all, and where the user has ended it.
pub async fn doctor(config: DoctorConfig, mut cancel: watch::Receiver<u32>) -> Result<Diagnosis, StressError> {
    config.run.check()?;
    let url = config.run.target.as_deref().map(Url::parse).transpose()?;
    crate::stress::check_target_pid(config.run.target_pid)?;
    let looked = tokio::select! {
        biased;
        () = crate::stress::asked_to_end(&mut cancel) => return Err(StressError::Interrupted),
        looked = look(&config, url) => looked?,
    };
    let (mut diagnosis, met) = looked;
    let (Some(met), Some(length)) = (met, config.load) else { return Ok(diagnosis) };
    if diagnosis.weight() < Weight::Stops {
        diagnosis.target.extend(trial::run(&config.run, &met, length, cancel).await?);
    }
    Ok(diagnosis)
}

/// Everything but the load.
async fn look(config: &DoctorConfig, url: Option<Url>) -> Result<(Diagnosis, Option<target::Met>), StressError> {
    let mut readings = Readings::of(Path::new("/"), config.run.target_pid);
    let allowed = readings.allowed.clone();
    readings.quiet = tokio::task::spawn_blocking(move || quiet::watch(WATCHED, &allowed)).await.ok();
    readings.firewall = Some(driver::may_drop_packets().await);
    let run = &config.run;
    let mut diagnosis = Diagnosis {
        url: url.as_ref().map(ToString::to_string),
        connections: run.connections(),
        machine: Vec::new(),
        target: Vec::new(),
    };
    let Some(url) = url else {
        diagnosis.machine = examine(&readings, &Need { config: run, leads: None });
        return Ok((diagnosis, None));
    };
    let (leads, found, met) = target::look(run, url, &readings).await?;
    diagnosis.machine = examine(&readings, &Need { config: run, leads: Some(leads) });
    diagnosis.target = found;
    Ok((diagnosis, met))
}

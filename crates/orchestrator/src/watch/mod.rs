//! `watch`: a small, safe check of a server again and again. Each is a run with the blocks and the record of `stress`;
//! one line of it is kept for good.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use erlmcp_load::clock::monotonic_ns;
use erlmcp_record::names::phase;
use erlmcp_report::slo::Slo;
use erlmcp_report::watch::{Asked, Check, Count, History, Outcome, check_lines};
use erlmcp_report::{Analysis, ExitCode};
use tokio::sync::{mpsc, watch};

use crate::config::StressConfig;
use crate::{StressError, clock, stress, target::Url};

mod archive;
mod webhook;

use archive::Archive;
pub use webhook::Webhook;

/// More is no watching: `stress` is for load.
const CONNECTIONS_MAX: u64 = 100;
const RATE_MAX: f64 = 200.0;
const EVERY_MIN: Duration = Duration::from_secs(1);
/// Load of one check at least, where nothing else is said, and at most.
const LOAD_MIN: Duration = Duration::from_secs(20);
const LOAD_MAX: Duration = Duration::from_secs(300);
/// Connections opened a second.
const RAMP_RATE: f64 = 20.0;

/// What ends a watch before its last check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitOn {
    Never,
    Violation,
    /// A change as well.
    Change,
}

/// What is to be watched, and how.
#[derive(Debug, Clone)]
pub struct WatchConfig {
    /// Target, connections, rate, and how the server is spoken to; the plan of a check is the watch's own.
    pub check: StressConfig,
    pub slo: Slo,
    /// From the beginning of a check to that of the next.
    pub every: Duration,
    /// Checks to make; None: until it is stopped.
    pub count: Option<u32>,
    pub exit_on: ExitOn,
    /// Where the history is; None: a folder of the target's name.
    pub folder: Option<PathBuf>,
    /// Records of checks that did not keep the objective, at most.
    pub records: usize,
    pub webhook: Option<Webhook>,
}

/// Something that a person who watches wants to know.
#[derive(Debug)]
pub enum WatchEvent {
    /// The folder, how many checks are known from before, and what each check is, in words.
    Begun {
        folder: PathBuf,
        known: usize,
        check: String,
    },
    /// A check: its line of the history, and what is said of it, with its line ends.
    Checked {
        line: String,
        text: String,
    },
    Note(String),
}

/// How a watch ended.
#[derive(Debug)]
pub struct Watched {
    /// By method.md, over all checks of this watch.
    pub exit_code: u8,
    pub count: Count,
    pub history: History,
}

impl WatchConfig {
    fn check(&self) -> Result<(), StressError> {
        let usage = |what: String| Err(StressError::usage(what));
        let (connections, rate) = (self.check.connections(), self.check.rate());
        if connections > CONNECTIONS_MAX {
            return usage(format!(
                "--connections must be at most {CONNECTIONS_MAX} for a server that others use; `stress` takes more"
            ));
        }
        if rate > RATE_MAX {
            return usage(format!(
                "--rate must be at most {RATE_MAX} a second for a server that others use; `stress` takes more"
            ));
        }
        if self.every < EVERY_MIN {
            return usage("--every must be 1s or more".into());
        }
        if self.count == Some(0) {
            return usage("--count must be 1 or more".into());
        }
        self.load().map(|_| ())
    }

    /// How long a check loads the server: as long as was said, else as long as the objective's percentiles take.
    fn load(&self) -> Result<Duration, StressError> {
        let needed = Duration::from_secs_f64((self.slo.samples_needed() as f64 / self.check.rate()).ceil());
        let load = self.check.duration.unwrap_or(needed.clamp(LOAD_MIN, LOAD_MAX));
        if load > LOAD_MAX {
            return Err(StressError::usage(format!("--for must be at most {} s", LOAD_MAX.as_secs())));
        }
        Ok(load)
    }

    fn asked(&self, url: &Url) -> Result<Asked, StressError> {
        Ok(Asked {
            target: url.to_string(),
            connections: self.check.connections(),
            rate: self.check.rate(),
            seconds: self.load()?.as_secs_f64(),
            calls: self.check.tool.as_ref().map_or_else(String::new, |tool| format!("tools/call {}", tool.name)),
        })
    }

    /// The run that a check is: ramp, load, end. Its own report judges latency and errors as any run's; what cannot be
    /// reached at so low a rate, and what is nobody's wish here, is not judged.
    fn run(&self, output: PathBuf) -> Result<StressConfig, StressError> {
        let phases = [phase::RAMP_UP, phase::SUSTAINED_LOAD, phase::COOL_DOWN].map(String::from).to_vec();
        Ok(StressConfig {
            connections: Some(self.check.connections()),
            rate: Some(self.check.rate()),
            duration: Some(self.load()?),
            warmup: Some(Duration::ZERO),
            ramp_rate: RAMP_RATE,
            phases,
            operations: Some(0.0),
            no_faults: true,
            output: Some(output),
            thresholds: BTreeMap::from([("sla.throughput_rps".to_string(), 0.0)]),
            ..self.check.clone()
        })
    }
}

/// Checks the server until it is stopped, has done `count` checks, or found what it is to end at. The history in the
/// folder goes on with each check. It must be called where [`stress()`] may be.
///
/// # Errors
/// Where the watch cannot be begun or its history not be kept: one sentence.
pub async fn watch(
    config: WatchConfig,
    events: mpsc::Sender<WatchEvent>,
    mut cancel: watch::Receiver<u32>,
) -> Result<Watched, StressError> {
    config.check()?;
    let target = config.check.target.as_deref().ok_or_else(|| StressError::usage("a URL to watch is missing"))?;
    let url = Url::parse(target)?;
    let asked = config.asked(&url)?;
    let (archive, history) = Archive::open(config.folder.clone(), &url)?;
    let check = format!(
        "{} requests/s on {} connections for {} s, every {} s",
        asked.rate,
        asked.connections,
        asked.seconds,
        config.every.as_secs_f64()
    );
    let begun = WatchEvent::Begun { folder: archive.folder().to_path_buf(), known: history.len(), check };
    let mut watching = Watching { config, asked, archive, history, count: Count::default(), events };
    watching.tell(begun);
    let is_stopped = watching.until_the_end(&mut cancel).await?;
    let exit_code = if is_stopped { ExitCode::Interrupted } else { watching.count.exit_code() };
    Ok(Watched { exit_code: exit_code as u8, count: watching.count, history: watching.history })
}

struct Watching {
    config: WatchConfig,
    asked: Asked,
    archive: Archive,
    history: History,
    count: Count,
    events: mpsc::Sender<WatchEvent>,
}

impl Watching {
    /// True where the user has stopped it.
    async fn until_the_end(&mut self, cancel: &mut watch::Receiver<u32>) -> Result<bool, StressError> {
        loop {
            let next_ns = monotonic_ns() + self.config.every.as_nanos() as u64;
            let Some(check) = self.check(cancel).await? else { return Ok(true) };
            let was_violation = self.history.last_judged(&check).is_some_and(Check::is_violation);
            self.count.add(&check);
            self.tell(WatchEvent::Checked { line: check.to_json_line(), text: check_lines(&check, &self.history) });
            self.post(&check, was_violation, cancel).await;
            let is_found = match self.config.exit_on {
                ExitOn::Never => false,
                ExitOn::Violation => check.is_violation(),
                ExitOn::Change => check.is_violation() || !check.changes.is_empty(),
            };
            self.history.push(check);
            if is_found || self.config.count.is_some_and(|count| self.count.checks >= u64::from(count)) {
                return Ok(false);
            }
            if *cancel.borrow() > 0 || wait_until(next_ns, cancel).await {
                return Ok(true);
            }
        }
    }

    /// Makes one check, and writes it down. None where the user has stopped it: half a check is none.
    async fn check(&mut self, cancel: &watch::Receiver<u32>) -> Result<Option<Check>, StressError> {
        let begun_at = clock::local_now();
        let at = begun_at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        let folder = self.archive.record(&begun_at.strftime("%Y%m%d-%H%M%S").to_string());
        // Nobody looks at the run itself.
        let (events, _) = mpsc::channel(1);
        let mut check = match stress(self.config.run(folder)?, events, cancel.clone()).await {
            Ok(outcome) if outcome.exit_code == ExitCode::Interrupted as u8 => {
                self.archive.forget(&outcome.folder);
                return Ok(None);
            }
            Ok(outcome) => {
                let analysis = Analysis::from_folder(&outcome.folder)?;
                let mut check = Check::of(&analysis, at, self.asked.clone(), &self.config.slo);
                self.history.name_changes(&mut check);
                check.run = Some(self.archive.name_of(&outcome.folder));
                check
            }
            Err(StressError::Interrupted) => return Ok(None),
            Err(StressError::Usage(what)) => return Err(StressError::Usage(what)),
            Err(StressError::Lacking(why)) => {
                let check = self.without_load(at, Outcome::Violated, why.clone());
                // What has been there before is lost; what never was is a mistake of who asks.
                if self.history.akin(&check).next().is_none() {
                    return Err(StressError::Lacking(why));
                }
                check
            }
            Err(StressError::Unreachable(why)) => self.without_load(at, Outcome::Unreachable, why),
            Err(StressError::Failed(why)) => self.without_load(at, Outcome::Failed, why),
        };
        if let Some(run) = check.run.take() {
            check.run = self.archive.keep(run, check.outcome == Outcome::Kept, self.config.records);
        }
        self.archive.append(&check)?;
        Ok(Some(check))
    }

    fn without_load(&self, at: String, outcome: Outcome, why: String) -> Check {
        Check::without_load(at, self.asked.clone(), &self.config.slo, outcome, vec![why])
    }

    /// Tells of a violation, of its end, and of a change. That it could not be told is no reason to end.
    async fn post(&mut self, check: &Check, was_violation: bool, cancel: &mut watch::Receiver<u32>) {
        let Some(webhook) = &self.config.webhook else { return };
        let Some(message) = webhook::message(check, was_violation) else { return };
        let said = tokio::select! {
            said = webhook.post(&message) => said,
            _ = cancel.wait_for(|count| *count > 0) => Err("the watch was stopped before".into()),
        };
        let note = match said {
            Ok(()) => format!("Told {webhook}"),
            Err(why) => format!("Could not tell {webhook}: {why}"),
        };
        self.tell(WatchEvent::Note(note));
    }

    fn tell(&self, event: WatchEvent) {
        // Whoever looks on may have gone, or stand still: the history has it all.
        let _ = self.events.try_send(event);
    }
}

/// True where the user stopped it first.
async fn wait_until(next_ns: u64, cancel: &mut watch::Receiver<u32>) -> bool {
    let left = Duration::from_nanos(next_ns.saturating_sub(monotonic_ns()));
    tokio::select! {
        () = tokio::time::sleep(left) => false,
        stopped = cancel.wait_for(|count| *count > 0) => {
            if stopped.is_err() {
                // Nobody can ask any more.
                tokio::time::sleep(left).await;
            }
            stopped.is_ok()
        }
    }
}

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use erlmcp_load::proto::{Request, Requests, command::Command};
use erlmcp_record::Detail;
use erlmcp_report::live;

use crate::action::Action;
use crate::event::Event;
use crate::workload::Compiled;
use crate::world::World;

/// What a block sees at one step: what happened, when, and how things stand after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    /// The run's clock.
    pub(crate) now_us: u64,
    pub(crate) event: &'a Event,
    pub(crate) world: &'a World,
}

/// A running block. It does no IO and reads no clock.
pub(crate) trait RunningBlock: Send + std::fmt::Debug {
    /// Takes note of one event.
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action>;

    /// Ends early, in order: no new work, what is under way gets its fate. Steps go on until it is over.
    fn cut(&mut self, seen: &Observation<'_>) -> Vec<Action>;

    fn is_over(&self) -> bool;

    /// What a scenario's row says of it.
    fn facts(&self) -> Facts {
        Facts::default()
    }
}

/// What a block found out about the scenario that it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) inconclusive: Option<String>,
    pub(crate) faults: Vec<u32>,
    pub(crate) blocks: Vec<u32>,
    pub(crate) detail: Detail,
    /// One line for the person who watches.
    pub(crate) text: String,
}

/// What does not change while a run goes on.
#[derive(Debug, Clone)]
pub(crate) struct RunFacts {
    pub(crate) seed: u64,
    pub(crate) calls: Calls,
    /// The target as the user wrote it.
    pub(crate) target: String,
    /// Connections that the run is about.
    pub(crate) connections: u64,
    /// Connections a second.
    pub(crate) ramp_rate: f64,
    /// Of the sustained load.
    pub(crate) duration_ms: u64,
    /// A request's.
    pub(crate) timeout_us: u64,
    /// Where the run is recorded.
    pub(crate) folder: PathBuf,
}

/// Where a block stands in its phase.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) phase: u8,
    /// Block and fault ids from here up to [`Place::IDS`] more are this block's own.
    pub(crate) first_id: u32,
    /// What it is for, in words.
    pub(crate) name: String,
    /// No lines for the person who watches.
    pub(crate) quiet: bool,
    /// It is a scenario; its figures go into the scenario's row, not into findings.
    pub(crate) scenario: bool,
    /// Its position among the phase's shown steps, and how many there are: "[1/4]".
    pub(crate) number: (u32, u32),
    pub(crate) run: RunFacts,
}

impl Place {
    /// Ids that a block may use.
    pub(crate) const IDS: u32 = 16;

    /// The line that opens a step of the baseline.
    pub(crate) fn announce(&self, text: impl Into<String>) -> Action {
        let (step, steps) = self.number;
        Action::Show(live::Event::Step { step, steps, text: text.into() })
    }
}

/// How long a queued call keeps its worker until a scenario says otherwise, milliseconds.
pub(crate) const WORK_MS: u64 = 10;

/// What the load calls.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Calls {
    pub(crate) load: Request,
    /// The queued tool's name, where there is one that may be called.
    pub(crate) queued: Option<String>,
    /// What clients do in place of `load`.
    pub(crate) workload: Option<Arc<Compiled>>,
}

impl Calls {
    /// What agent `index` of so many is to call; a queued call keeps its worker for `work_ms`.
    pub(crate) fn requests(&self, work_ms: u64, (agents, index): (u32, u32)) -> Requests {
        let queued = self.queued.as_ref().map(|name| Request {
            method: "tools/call".into(),
            name: name.clone(),
            arguments: format!("{{\"ms\":{work_ms}}}"),
            with_progress: false,
        });
        let workload = self.workload.as_ref().map(|workload| workload.told(agents, index));
        Requests { load: Some(self.load.clone()), queued, workload, ..Requests::default() }
    }

    /// Tells every agent what to call from here on.
    pub(crate) fn tell(&self, world: &World, work_ms: u64) -> Vec<Action> {
        let alive = world.alive();
        let command = |index| Command::Requests(self.requests(work_ms, (alive.len() as u32, index)));
        Action::to_each(&alive, command)
    }
}

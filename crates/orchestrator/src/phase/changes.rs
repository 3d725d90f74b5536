//! Changes of the target, one every few seconds, for its streams to tell of.

use std::time::Duration;

use erlmcp_load::proto::{self, command::Command};
use erlmcp_record::{ChangeRow, Entry};

use crate::action::{Action, Ask};
use crate::event::{Answer, Event, Said};
use crate::machine::Observation;
use crate::plan::ChangeBy;

/// From one change to the next: a quarter of the load, between these.
const EVERY_MIN: Duration = Duration::from_secs(1);
const EVERY_MAX: Duration = Duration::from_secs(5);
/// Whoever makes a change says so within so long.
const ANSWER_US: u64 = 25_000_000;
/// Changes in a row that could not be made, after which no more are tried.
const FAILURES_MAX: u32 = 3;

/// See the module. One change at a time: the next is made when all streams have had the time to tell of it.
#[derive(Debug)]
pub(crate) struct Changes {
    phase: u8,
    by: Result<ChangeBy, String>,
    every_us: u64,
    /// Streams have so long to tell of a change.
    bound_us: u64,
    next_us: Option<u64>,
    /// Number of the last one.
    last: u32,
    /// When the last one was asked for, as long as there is no answer.
    asked_us: Option<u64>,
    failures: u32,
    was_told: bool,
    is_stopped: bool,
}

impl Changes {
    pub(crate) fn new(phase: u8, load: Duration, by: Result<ChangeBy, String>) -> Self {
        let every_us = (load / 4).clamp(EVERY_MIN, EVERY_MAX).as_micros() as u64;
        let bound_us = every_us / 5 * 4;
        let (next_us, asked_us) = (None, None);
        Self {
            phase,
            by,
            every_us,
            bound_us,
            next_us,
            last: 0,
            asked_us,
            failures: 0,
            was_told: false,
            is_stopped: false,
        }
    }

    /// No more changes; one that was asked for is not waited for.
    pub(crate) fn stop(&mut self) {
        self.is_stopped = true;
        self.asked_us = None;
    }

    /// True where no answer is waited for.
    pub(crate) fn are_settled(&self) -> bool {
        self.asked_us.is_none()
    }

    /// `times`: when the load begins and when it ends.
    pub(crate) fn step(&mut self, seen: &Observation<'_>, times: (u64, u64)) -> Vec<Action> {
        let by = match &self.by {
            Ok(by) => by.clone(),
            Err(why) if !std::mem::replace(&mut self.was_told, true) => {
                return vec![Action::note(format!("How fast changes reach the streams is not measured: {why}"))];
            }
            Err(_) => return Vec::new(),
        };
        let mut actions = match answer(seen.event, self.last) {
            Some(made) if self.asked_us.is_some() => self.answered(&by, made, seen),
            _ => Vec::new(),
        };
        if self.asked_us.is_some_and(|asked_us| seen.now_us >= asked_us + ANSWER_US) {
            actions.extend(self.answered(&by, Err("there was no answer".into()), seen));
        }
        let next_us = *self.next_us.get_or_insert(times.0 + self.every_us / 5);
        let is_due = seen.now_us >= next_us && seen.now_us + self.bound_us <= times.1;
        if is_due && !self.is_stopped && self.asked_us.is_none() {
            actions.extend(self.ask(&by, seen));
        }
        actions
    }

    fn ask(&mut self, by: &ChangeBy, seen: &Observation<'_>) -> Option<Action> {
        self.last += 1;
        self.asked_us = Some(seen.now_us);
        self.next_us = Some(seen.now_us + self.every_us);
        let change = self.last;
        match by {
            ChangeBy::ControlSocket => Some(Action::Ask(Ask::Change { change })),
            ChangeBy::Tool(tool) => {
                let agent = seen.world.alive().first().copied()?;
                let (tool, arguments) = (tool.name.clone(), tool.arguments.clone());
                let command = Command::MakeChange(proto::MakeChange { change, tool, arguments });
                Some(Action::Command { agent, command })
            }
        }
    }

    /// The record has it, and every agent waits for its streams to tell of it.
    fn answered(&mut self, by: &ChangeBy, made: Result<u64, String>, seen: &Observation<'_>) -> Vec<Action> {
        let asked_us = self.asked_us.take().unwrap_or(seen.now_us);
        let at_us = made.as_ref().copied().unwrap_or(asked_us);
        let (change, bound_us) = (self.last, self.bound_us);
        self.next_us = Some(at_us + self.every_us);
        let failed = made.err();
        self.failures = if failed.is_some() { self.failures + 1 } else { 0 };
        let mut actions = vec![Action::Row(Entry::Change(ChangeRow {
            phase: self.phase,
            change,
            at_us,
            bound_us,
            method: by.method(),
            failed: failed.clone(),
        }))];
        match failed {
            None => {
                let command = Command::Change(proto::Change { change, at_us, until_us: at_us + bound_us });
                actions.extend(Action::to_all(&seen.world.alive(), &command));
            }
            Some(why) if self.failures == FAILURES_MAX => {
                self.is_stopped = true;
                actions.push(Action::note(format!("No more changes for streams are made: {why}")));
            }
            Some(_) => {}
        }
        actions
    }
}

/// What came of the change with this number.
fn answer(event: &Event, number: u32) -> Option<Result<u64, String>> {
    match event {
        Event::Answer(Answer::Changed { change, made }) if *change == number => Some(made.clone()),
        Event::Agent { said: Said::Changed(changed), .. } if changed.change == number => {
            Some(if changed.error.is_empty() { Ok(changed.at_us) } else { Err(changed.error.clone()) })
        }
        // Whoever was to make it is gone, or another one: where it was not, there is no answer, which has its bound.
        _ => None,
    }
}

//! The select loop: everything that can happen in a run passes here, one at a time.

use erlmcp_record::names::finding;
use erlmcp_record::{EndRow, Ended, Entry, FindingRow, MembershipRow};
use erlmcp_report::live;
use tokio::sync::{mpsc, watch};

use crate::StressError;
use crate::action::{Action, Ask};
use crate::event::{Event, Said};
use crate::hands::Hands;
use crate::machine::{Observation, RunFacts};
use crate::phase::{self, Phase};
use crate::plan::{Block, PhasePlan, Plan};
use crate::recorder::Recorder;
use crate::world::World;

mod patience;
mod watcher;

use patience::Patience;
pub(crate) use watcher::Watcher;

/// Seconds in a row with more than half errors after which a run on another host stops by itself.
const ERROR_SECONDS: u32 = 5;

/// A run from its first phase to its last row.
pub(crate) struct Run<H> {
    pub(crate) hands: H,
    pub(crate) recorder: Recorder,
    pub(crate) watcher: Watcher,
    facts: RunFacts,
    world: World,
    /// The phases that are still to come.
    waiting: std::collections::VecDeque<PhasePlan>,
    phase: Option<(Phase, PhasePlan)>,
    patience: Patience,
    /// Why it ends early; None while it goes as planned.
    ended: Option<Ended>,
    /// Why the phases that are still to come are left out, except what ends the run; None: they are not.
    leaves_out: Option<String>,
    /// What ends the run is done without closing first.
    is_hasty: bool,
    /// Times that the user asked for an end.
    interrupts: u32,
    /// Stops by itself above 50 % errors.
    stops_at_errors: bool,
    /// Agents are being told to go: that one is gone is no news.
    is_dismantling: bool,
    last_second: u64,
}

impl<H: Hands> Run<H> {
    pub(crate) fn new(
        plan: Plan,
        (facts, world): (RunFacts, World),
        hands: H,
        recorder: Recorder,
        (events, stops_at_errors): (mpsc::Sender<live::Event>, bool),
    ) -> Self {
        Self {
            hands,
            recorder,
            watcher: Watcher::new(events),
            facts,
            world,
            waiting: plan.phases.into(),
            phase: None,
            patience: Patience::default(),
            ended: None,
            leaves_out: None,
            is_hasty: false,
            interrupts: 0,
            stops_at_errors,
            is_dismantling: false,
            last_second: 0,
        }
    }

    /// Runs every phase; ends early, but in order, when the user or an accident wants it.
    ///
    /// # Errors
    /// Where the record cannot be written any more. What the run brought with it is gone then, too.
    pub(crate) async fn run_to_end(&mut self, interrupts: &mut watch::Receiver<u32>) -> Result<Ended, StressError> {
        let outcome = self.all_phases(interrupts).await;
        if outcome.is_err() {
            self.hands.abandon().await;
        }
        outcome
    }

    async fn all_phases(&mut self, interrupts: &mut watch::Receiver<u32>) -> Result<Ended, StressError> {
        let mut is_watched = true;
        self.advance().await?;
        while self.phase.is_some() {
            let event = tokio::select! {
                biased;
                changed = interrupts.changed(), if is_watched => {
                    is_watched = changed.is_ok();
                    let count = *interrupts.borrow_and_update();
                    self.interrupted(count).await?;
                    continue;
                }
                event = self.hands.next() => event,
            };
            self.take(event).await?;
        }
        self.hands.abandon().await;
        let ended = self.ended.clone().unwrap_or(Ended::Completed);
        let now_us = self.hands.now_us();
        self.recorder.row(&Entry::End(EndRow { at_us: now_us, ended: ended.clone() }))?;
        self.recorder.rest(now_us)?;
        self.recorder.finish().await?;
        Ok(ended)
    }

    /// One event: into the record, into the world, into the phase.
    async fn take(&mut self, event: Event) -> Result<(), StressError> {
        let now_us = self.hands.now_us();
        self.record(&event, now_us)?;
        self.world.apply(&event);
        if let Event::Agent { agent, said: Said::Gone(why) } = &event
            && !self.is_dismantling
        {
            self.agent_lost(*agent, why, now_us).await?;
        }
        if let Event::Moved(endpoints) = &event {
            let told = Action::tell_endpoints(&self.world.alive(), endpoints);
            self.perform(told).await?;
        }
        let actions = self.step(&event, now_us);
        self.perform(actions).await?;
        if now_us / 1_000_000 != self.last_second {
            self.last_second = now_us / 1_000_000;
            self.every_second(now_us).await?;
        }
        self.advance().await
    }

    fn record(&mut self, event: &Event, now_us: u64) -> Result<(), StressError> {
        match event {
            Event::Agent { said: Said::Rows(rows), .. } => rows.iter().try_for_each(|row| self.recorder.row(row)),
            Event::Agent { agent, said: Said::Line(line) } => {
                self.recorder.log(&format!("agent {agent}: {line}"), now_us)
            }
            Event::Sample(sample) => self.recorder.row(&Entry::Cluster((**sample).clone())),
            Event::Replica { replica, at_us, change } => {
                if let Some(member) = change.is_member() {
                    self.recorder.row(&Entry::Membership(MembershipRow {
                        replica: *replica,
                        at_us: *at_us,
                        member,
                    }))?;
                }
                self.recorder.log(&format!("replica {replica}: {change:?} at {:.3} s", *at_us as f64 / 1e6), now_us)
            }
            _ => Ok(()),
        }
    }

    fn step(&mut self, event: &Event, now_us: u64) -> Vec<Action> {
        let seen = Observation { now_us, event, world: &self.world };
        self.phase.as_mut().map(|(phase, _)| phase.step(&seen)).unwrap_or_default()
    }

    async fn every_second(&mut self, now_us: u64) -> Result<(), StressError> {
        for second in self.recorder.second(now_us)? {
            self.watcher.show(live::Event::Second(Box::new(second))).await;
        }
        let too_many_errors = self.stops_at_errors && self.world.seconds.mostly_errors_for(ERROR_SECONDS);
        let reason = match too_many_errors {
            true => Some(format!("more than 50 % errors for {ERROR_SECONDS} s; --no-abort goes on all the same")),
            false => self.recorder.no_room(now_us),
        };
        if let Some(reason) = reason {
            self.abort(reason).await?;
        }
        if self.patience.is_at_end(now_us) {
            self.give_up(now_us).await?;
        }
        Ok(())
    }

    async fn agent_lost(&mut self, agent: u32, why: &str, now_us: u64) -> Result<(), StressError> {
        let reason = format!("agent {agent} died: {why}");
        let phase = self.phase.as_ref().map_or(0, |(_, plan)| plan.number);
        self.recorder.row(&Entry::Finding(FindingRow {
            phase,
            at_us: now_us,
            name: finding::AGENT_LOST.into(),
            value: Some(1.0),
            note: Some(reason.clone()),
            agent: Some(agent),
        }))?;
        self.abort(reason).await
    }

    async fn interrupted(&mut self, count: u32) -> Result<(), StressError> {
        let before = std::mem::replace(&mut self.interrupts, count);
        if before == 0 && count > 0 {
            self.end_early(Ended::Interrupted, "interrupted").await?;
        }
        if count > 1 && before < 2 {
            self.show(live::Event::Note { text: "Ending at once".into() }).await?;
            self.give_up(self.hands.now_us()).await?;
        }
        Ok(())
    }

    /// The run ends by itself, where it does not end already.
    async fn abort(&mut self, reason: String) -> Result<(), StressError> {
        self.end_early(Ended::Aborted { reason: reason.clone() }, &reason).await
    }

    /// Cuts what runs and leaves out what is to come, except what ends the run.
    async fn end_early(&mut self, ended: Ended, reason: &str) -> Result<(), StressError> {
        if self.ended.is_some() {
            return Ok(());
        }
        self.ended = Some(ended);
        self.show(live::Event::Note { text: format!("Ending early: {reason}") }).await?;
        let now_us = self.hands.now_us();
        self.leaves_out = Some(reason.to_string());
        let seen = Observation { now_us, event: &Event::Tick, world: &self.world };
        let actions = match &mut self.phase {
            Some((phase, plan)) if !is_ending(plan) => {
                self.patience = Patience::of_cut(now_us, self.facts.timeout_us);
                phase.cut(reason, &seen)
            }
            _ => Vec::new(),
        };
        self.perform(actions).await?;
        self.advance().await
    }

    /// Waits no longer for the phase that runs: what ends the run is done without closing first.
    async fn give_up(&mut self, now_us: u64) -> Result<(), StressError> {
        let Some((mut phase, plan)) = self.phase.take_if(|_| !self.is_dismantling) else {
            self.patience = Patience::default();
            return Ok(());
        };
        let text = format!("Phase {} is given up: it does not end", plan.number);
        self.recorder.log(&text, now_us)?;
        if self.ended.is_none() {
            self.ended = Some(Ended::Aborted { reason: format!("phase {} ({}) did not end", plan.number, plan.name) });
        }
        self.leaves_out.get_or_insert_with(|| "given up before".into());
        self.is_hasty = true;
        if is_ending(&plan) {
            self.patience = Patience::for_phase(&plan, (now_us, self.facts.timeout_us), self.world.operations_rate());
            phase.hasten();
            self.phase = Some((phase, plan));
            let actions = self.step(&Event::Tick, now_us);
            self.perform(actions).await?;
        }
        self.advance().await
    }

    /// Starts the next phase where the one before is over.
    async fn advance(&mut self) -> Result<(), StressError> {
        while self.phase.as_ref().is_none_or(|(phase, _)| phase.is_over()) {
            self.phase = None;
            let Some(plan) = self.waiting.pop_front() else { return Ok(()) };
            let now_us = self.hands.now_us();
            let left_out = self.leaves_out.as_ref().filter(|_| !is_ending(&plan));
            if let Some(reason) = plan.skip.as_ref().or(left_out) {
                let actions = phase::skip(&plan, reason, now_us);
                self.perform(actions).await?;
                continue;
            }
            self.patience = Patience::for_phase(&plan, (now_us, self.facts.timeout_us), self.world.operations_rate());
            let mut phase = Phase::new(plan.clone(), self.facts.clone());
            if self.is_hasty {
                phase.hasten();
            }
            self.phase = Some((phase, plan));
            let actions = self.step(&Event::Tick, now_us);
            self.perform(actions).await?;
        }
        Ok(())
    }

    async fn perform(&mut self, actions: Vec<Action>) -> Result<(), StressError> {
        let mut aborted = None;
        for action in actions {
            match action {
                Action::Command { agent, command } => {
                    self.world.ordered(agent, &command);
                    self.hands.command(agent, command);
                }
                Action::Row(row) => self.recorder.row(&row)?,
                Action::Show(event) => self.show(event).await?,
                Action::ShowSpan { elapsed_s, from, to } => {
                    let span = self.recorder.analysis.span(from, to);
                    self.show(live::Event::SustainedLine { elapsed_s, span }).await?;
                }
                Action::Summarize { number, name } => {
                    let lines = self.recorder.analysis.phase_summary(number);
                    self.show(live::Event::PhaseSummary { number, name, lines }).await?;
                }
                Action::Ask(ask) => {
                    self.is_dismantling |= matches!(ask, Ask::Dismantle { .. });
                    if matches!(ask, Ask::Audit { .. }) {
                        // It reads what was written.
                        self.recorder.finish().await?;
                    }
                    self.hands.ask(ask);
                }
                Action::Abort(reason) => aborted = Some(reason),
            }
        }
        match aborted {
            Some(reason) => Box::pin(self.abort(reason)).await,
            None => Ok(()),
        }
    }

    async fn show(&mut self, event: live::Event) -> Result<(), StressError> {
        self.recorder.say(&event, self.hands.now_us())?;
        self.watcher.show(event).await;
        Ok(())
    }
}

/// True for the phase that ends agents, faults and cluster: it runs however the run ends.
fn is_ending(plan: &PhasePlan) -> bool {
    plan.skip.is_none() && plan.steps.iter().any(|step| matches!(step.block, Block::Dismantle { .. }))
}

#[cfg(test)]
pub(crate) mod tests;

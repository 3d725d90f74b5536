use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{FaultDriver, HealError};
use crate::event::{Answer, Event, Healed, Injected};
use crate::fault::Fault;

/// Orders that may wait.
const WAITING_MAX: usize = 64;
/// Faults in force at the same time, far above what a plan has.
pub(super) const IN_FORCE_MAX: usize = 256;

/// What was undone is seen to be so: a store that was killed and has to read its history is the slowest.
const SEEN_WITHIN: Duration = Duration::from_secs(75);
/// For the end of everything nobody waits longer: when the run is over, the watchdog undoes the rest alone.
pub(in crate::driver) const UNDONE_MAX: Duration = Duration::from_secs(120);

/// What can be ordered. Faults have numbers: those of the record.
#[derive(Debug)]
pub(in crate::driver) enum Order {
    Inject(u32, Fault),
    Heal(u32),
    /// Undoes what is in force and takes no more orders; answers with what could not be undone.
    End(oneshot::Sender<Vec<String>>),
}

/// Keeps count of the faults in force. Each is injected and healed beside the others; what came of it is an event.
#[derive(Debug)]
pub(in crate::driver) struct Desk<D: FaultDriver> {
    driver: Arc<D>,
    events: mpsc::Sender<Event>,
    in_force: BTreeMap<u32, D::InForce>,
    /// Injections and heals under way.
    working: JoinSet<Done<D::InForce>>,
    injecting: BTreeSet<u32>,
    /// Of these, what is to be healed as soon as it is there.
    unwanted: BTreeSet<u32>,
    /// What could not be undone.
    stuck: Vec<String>,
}

#[derive(Debug)]
enum Done<F> {
    Injected(u32, Result<(F, Injected), String>),
    Healed(u32, Result<Healed, HealError>),
}

impl<D: FaultDriver> Desk<D> {
    /// Everything in force is undone when the sender is dropped, or the whole process is killed.
    pub(in crate::driver) fn open(driver: D, events: mpsc::Sender<Event>) -> mpsc::Sender<Order> {
        let (orders, waiting) = mpsc::channel(WAITING_MAX);
        let desk = Self {
            driver: Arc::new(driver),
            events,
            in_force: BTreeMap::new(),
            working: JoinSet::new(),
            injecting: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            stuck: Vec::new(),
        };
        tokio::spawn(desk.work(waiting));
        orders
    }

    async fn work(mut self, mut waiting: mpsc::Receiver<Order>) {
        let answer = loop {
            tokio::select! {
                order = waiting.recv() => match order {
                    Some(Order::Inject(id, fault)) => self.inject(id, fault).await,
                    Some(Order::Heal(id)) => self.heal(id).await,
                    Some(Order::End(answer)) => break Some(answer),
                    None => break None,
                },
                Some(Ok(done)) = self.working.join_next() => self.done(done).await,
            }
        };
        let within = (self.driver.watchdog().undone_within() + SEEN_WITHIN).min(UNDONE_MAX);
        if timeout(within, self.undo()).await.is_err() {
            self.stuck.push(format!("it is not known whether every fault was undone within {} s", within.as_secs()));
        }
        if let Some(answer) = answer {
            let _ = answer.send(self.stuck);
        }
    }

    async fn inject(&mut self, id: u32, fault: Fault) {
        let taken = self.injecting.contains(&id) || self.in_force.contains_key(&id);
        if taken || self.injecting.len() + self.in_force.len() >= IN_FORCE_MAX {
            let why =
                if taken { format!("fault {id} is there already") } else { "too many faults are in force".into() };
            return self.tell(Answer::Injected { id, outcome: Err(why) }).await;
        }
        self.injecting.insert(id);
        let driver = Arc::clone(&self.driver);
        self.working.spawn(async move { Done::Injected(id, driver.inject(&fault).await) });
    }

    async fn heal(&mut self, id: u32) {
        if let Some(in_force) = self.in_force.remove(&id) {
            let driver = Arc::clone(&self.driver);
            self.working.spawn(async move { Done::Healed(id, driver.heal(in_force).await) });
        } else if self.injecting.contains(&id) {
            self.unwanted.insert(id);
        } else {
            let why = HealError::Otherwise(format!("fault {id} is not in force"));
            self.tell(Answer::Healed { id, outcome: Err(why) }).await;
        }
    }

    async fn done(&mut self, done: Done<D::InForce>) {
        match done {
            Done::Injected(id, outcome) => {
                self.injecting.remove(&id);
                let outcome = outcome.map(|(in_force, injected)| {
                    if D::lasts(&in_force) {
                        self.in_force.insert(id, in_force);
                    }
                    injected
                });
                self.tell(Answer::Injected { id, outcome }).await;
                if self.unwanted.remove(&id) {
                    self.heal(id).await;
                }
            }
            Done::Healed(id, outcome) => {
                if let Err(HealError::Stuck(why)) = &outcome {
                    self.stuck.push(why.clone());
                }
                self.tell(Answer::Healed { id, outcome }).await;
            }
        }
    }

    async fn tell(&self, answer: Answer) {
        let _ = self.events.send(Event::Answer(answer)).await;
    }

    /// Injections under way are given up: what they had begun is among what the driver undoes at its end.
    async fn undo(&mut self) {
        self.working.shutdown().await;
        for in_force in std::mem::take(&mut self.in_force).into_values().rev() {
            let driver = Arc::clone(&self.driver);
            self.working.spawn(async move { Done::Healed(0, driver.heal(in_force).await) });
        }
        while let Some(done) = self.working.join_next().await {
            if let Ok(Done::Healed(_, Err(HealError::Stuck(why)))) = done {
                self.stuck.push(why);
            }
        }
        let stuck = self.driver.end().await;
        self.stuck.extend(stuck);
    }
}

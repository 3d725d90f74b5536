//! Faults of a local cluster: done for real, seen to work, undone, and that seen as well.

mod kill;
pub(crate) mod nft;
mod partition;
mod pause;
mod probe;
pub(crate) mod process;

use std::path::PathBuf;

use erlmcp_load::clock::RunClock;
use tokio::sync::{mpsc, oneshot};

use crate::event::{Answer, Event};
use nft::Nft;
use partition::Partition;

/// Orders that may wait: a run gives one, and later the one that undoes it.
const WAITING_MAX: usize = 16;

/// What can be ordered.
#[derive(Debug)]
pub(crate) enum Order {
    Kill(u16),
    Partition(u16),
    Heal,
    /// Undoes what is in force and takes no more orders; answers with what could not be undone.
    End(oneshot::Sender<Vec<String>>),
}

/// Why a fault is not known to be healed.
#[derive(Debug, thiserror::Error)]
enum HealError {
    /// It is still in force.
    #[error("{0}")]
    Stuck(String),
    /// It is not, but not all is as it was.
    #[error("{0}")]
    Otherwise(String),
}

/// Does one thing at a time, in the order in which it was asked for.
#[derive(Debug)]
pub(crate) struct Desk {
    control: PathBuf,
    clock: RunClock,
    events: mpsc::Sender<Event>,
    /// Why packets cannot be dropped here.
    nft: Result<Nft, String>,
    in_force: Option<Partition>,
    /// What could not be undone.
    stuck: Vec<String>,
}

impl Desk {
    /// Everything in force is undone when the sender is dropped, or the whole process is killed.
    pub(crate) fn open(
        control: PathBuf,
        clock: RunClock,
        events: mpsc::Sender<Event>,
        nft: Result<Nft, String>,
    ) -> mpsc::Sender<Order> {
        let (orders, waiting) = mpsc::channel(WAITING_MAX);
        let desk = Self { control, clock, events, nft, in_force: None, stuck: Vec::new() };
        tokio::spawn(desk.work(waiting));
        orders
    }

    async fn work(mut self, mut waiting: mpsc::Receiver<Order>) {
        while let Some(order) = waiting.recv().await {
            let answer = match order {
                Order::Kill(replica) => Answer::Injected(kill::kill(&self.control, replica, &self.clock).await),
                Order::Partition(replica) => self.partition(replica).await,
                Order::Heal => self.heal().await,
                Order::End(answer) => {
                    self.undo().await;
                    let _ = answer.send(self.stuck);
                    return;
                }
            };
            let _ = self.events.send(Event::Answer(answer)).await;
        }
        self.undo().await;
    }

    async fn partition(&mut self, replica: u16) -> Answer {
        if self.in_force.is_some() {
            return Answer::Injected(Err("another replica is cut off: that is healed first".into()));
        }
        let cut_off = partition::cut_off(&self.control, replica, &self.nft, &self.clock).await;
        Answer::Injected(cut_off.map(|(partition, injected)| {
            self.in_force = Some(partition);
            injected
        }))
    }

    async fn heal(&mut self) -> Answer {
        let Some(partition) = self.in_force.take() else {
            return Answer::Healed(Err("no replica is cut off".into()));
        };
        let healed = partition.heal(&self.clock).await;
        if let Err(HealError::Stuck(why)) = &healed {
            self.stuck.push(why.clone());
        }
        Answer::Healed(healed.map_err(|error| error.to_string()))
    }

    async fn undo(&mut self) {
        if let Some(partition) = self.in_force.take()
            && let Err(HealError::Stuck(why)) = partition.undo().await
        {
            self.stuck.push(why);
        }
    }
}

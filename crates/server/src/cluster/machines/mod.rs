//! Clusters of several machines that are one: they have the same session key and the same database for operations, and
//! tell each other through it what streams, sessions and people want to know.
//!
//! Each supervisor holds one connection of its own to the database. Nothing waits for it: what a client asks is answered
//! by what this machine knows, except that the end of a session is answered when the others can know of it.

mod ends;
mod letter;
mod link;
mod peers;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::happening::Happening;
use super::messages::ListChange;
use super::supervisor::Supervisor;
use crate::clock::monotonic_ns;
use crate::engine::Outbox;
use crate::limits::Limits;
use crate::operations::{PostgresAddress, random_base};
use crate::session::{Ended, SessionKey, Word};
use ends::{AllEnded, Ends};
use letter::Presence;
use link::Link;
use peers::{Arrival, Peers};

/// Orders that may wait; while there is no room, words of clients are dropped, and ends of sessions told later.
const ORDERS_MAX: usize = 1_024;
/// Characters of a name or an address that are told: a letter has to stay short.
const NAME_MAX: usize = 253;
/// For the last letter.
const BYE: Duration = Duration::from_secs(1);

/// What the link is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    Heard(Word),
    /// Sessions have ended; answered by [`Said::Written`].
    Ended {
        batch: u64,
        floor: u32,
        ended: Vec<Ended>,
    },
    /// The last one.
    Bye,
}

/// What comes by the link, beside changes.
#[derive(Debug)]
pub(super) enum Said {
    /// There is a connection; all sessions that the database knows to have ended.
    Linked {
        ended: AllEnded,
    },
    Unlinked {
        why: String,
    },
    Here {
        from: u64,
        is_ours: bool,
        presence: Presence,
    },
    Gone {
        from: u64,
    },
    Heard(Word),
    Ended {
        floor: u32,
        ended: Vec<Ended>,
    },
    /// What was ordered under this number is in the database, and the others are told.
    Written {
        batch: u64,
    },
}

/// Who this cluster is among those of other machines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// Its name; none for the machine's own.
    pub name: Option<String>,
    /// Where clients reach it, as the others show it; none for the shared address.
    pub address: Option<String>,
}

/// What the supervisor knows of other machines.
#[derive(Debug)]
pub(super) struct Machines {
    peers: Peers,
    presence: watch::Sender<Presence>,
    is_linked: bool,
    /// Others may have the session key, and want to know what happens here.
    has_others: bool,
    /// Why there is no connection.
    why: Option<String>,
    /// Ends of sessions were not told for want of room.
    owes_ends: bool,
    outbox: Arc<Outbox>,
    inbox: Arc<Outbox>,
    orders: mpsc::Sender<Order>,
    link: JoinHandle<()>,
    telling: JoinHandle<()>,
}

/// What the others are told of this machine, and what it has in common with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) machine: &'a Machine,
    pub(super) shared: Option<&'a SocketAddr>,
    pub(super) key: &'a SessionKey,
    /// Nobody else has the key: sessions are of this machine alone.
    pub(super) is_key_random: bool,
}

impl Drop for Machines {
    fn drop(&mut self) {
        self.link.abort();
        self.telling.abort();
    }
}

impl Machines {
    pub(super) fn start(
        database: &PostgresAddress,
        own: &Own<'_>,
        limits: &Limits,
        happenings: &mpsc::Sender<Happening>,
    ) -> Self {
        let Own { machine, shared, key, is_key_random } = *own;
        let own_name = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        let short = |text: String| text.chars().take(NAME_MAX).collect();
        let first = Presence {
            name: short(machine.name.clone().unwrap_or_else(own_name)),
            address: short(machine.address.clone().or(shared.map(SocketAddr::to_string)).unwrap_or_default()),
            version: env!("CARGO_PKG_VERSION").to_string(),
            state: "starting".to_string(),
            ..Presence::default()
        };
        let (presence, told) = watch::channel(first);
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (outbox, inbox) = (Arc::new(Outbox::default()), Arc::new(Outbox::default()));
        let of = key.fingerprint();
        let lifetime_s = (limits.session_lifetime_ms / 1_000).max(1);
        let link = Link {
            address: database.clone(),
            base: random_base(),
            of: of.clone(),
            presence: told,
            outbox: Arc::clone(&outbox),
            inbox: Arc::clone(&inbox),
            orders: ordered,
            happenings: happenings.clone(),
            ends: Ends { of, lifetime_s, held_max: limits.sessions_revoked_max },
        };
        let telling = tokio::spawn(tell(Arc::clone(&inbox), happenings.clone()));
        let link = tokio::spawn(link.run());
        Self {
            peers: Peers::default(),
            presence,
            is_linked: false,
            has_others: !is_key_random,
            why: None,
            owes_ends: false,
            outbox,
            inbox,
            orders,
            link,
            telling,
        }
    }

    /// There was a connection, or it is known that there is none.
    pub(super) fn has_tried(&self) -> bool {
        self.is_linked || self.why.is_some()
    }

    /// Something has changed here.
    pub(super) fn changed(&self, change: ListChange) {
        if self.has_others {
            change.put(&self.outbox);
        }
    }

    /// A client has said something that may concern another machine.
    pub(super) fn heard(&self, word: &Word) {
        if self.has_others && self.is_linked && self.orders.try_send(Order::Heard(word.clone())).is_err() {
            tracing::warn!(
                "what a client has said is not told to other machines: there is more than the database takes"
            );
        }
    }

    /// Sessions have ended here. True where it will be said that they are written.
    pub(super) fn ended(&mut self, batch: u64, floor: u32, ended: Vec<Ended>) -> bool {
        let can_be_told = self.has_others && self.is_linked;
        let is_told = can_be_told && self.orders.try_send(Order::Ended { batch, floor, ended }).is_ok();
        self.owes_ends |= can_be_told && !is_told;
        is_told
    }

    /// Anything may have changed.
    fn everything_changed(&self) {
        ListChange::EVERYTHING.into_iter().for_each(|change| change.put(&self.inbox));
    }

    fn here(&mut self, from: u64, is_ours: bool, presence: Presence) {
        let named = format!("{} ({}, version {})", presence.name, presence.address, presence.version);
        match self.peers.here(from, presence, is_ours, monotonic_ns()) {
            Some(Arrival::Known) | None => {}
            Some(Arrival::New) if is_ours => tracing::info!("another machine of this cluster is there: {named}"),
            Some(Arrival::New) => tracing::warn!(
                "{named} shares the database and has another session key: operations alone are shared with it; \
                 give both the same --session-key-file"
            ),
            Some(Arrival::Back) => {
                tracing::info!("another machine is there again: {named}");
                if is_ours {
                    self.everything_changed();
                }
            }
        }
    }

    /// Every look: who has fallen silent?
    fn look(&mut self, now_ns: u64) {
        for (name, is_ours) in self.peers.look(now_ns) {
            tracing::warn!("{name}, which shares the database, is silent");
            if is_ours {
                self.everything_changed();
            }
        }
    }

    /// The parts of /status that name this machine and the others.
    pub(super) fn status(&self, now_ns: u64) -> (Value, Value) {
        let Presence { name, address, .. } = &*self.presence.borrow();
        let database = if self.is_linked { "connected" } else { "away" };
        (json!({"name": name, "address": address, "database": database}), json!(self.peers.rows(now_ns)))
    }

    /// The last word. It is waited for, briefly.
    pub(super) async fn end(&mut self) {
        if self.orders.try_send(Order::Bye).is_ok() {
            // A database that is away is not waited for: the others will see that nothing comes any more.
            let _ = tokio::time::timeout(BYE, &mut self.link).await;
        }
    }
}

/// Passes on what has changed elsewhere, as much at once as there is.
async fn tell(inbox: Arc<Outbox>, happenings: mpsc::Sender<Happening>) {
    loop {
        let (lists, updates) = inbox.next().await;
        for change in ListChange::of(lists, &updates) {
            if happenings.send(Happening::ChangedElsewhere(change)).await.is_err() {
                return;
            }
        }
    }
}

impl Supervisor {
    pub(super) fn machines_said(&mut self, said: Said) {
        let Some(machines) = &mut self.machines else { return };
        match said {
            Said::Linked { ended: (floor, ended) } => {
                tracing::info!("other machines can be heard through the database");
                (machines.is_linked, machines.why) = (true, None);
                machines.owes_ends = true;
                machines.peers.hears(Some(monotonic_ns()));
                self.endings.wait_from_elsewhere(floor, ended);
            }
            Said::Unlinked { why } => {
                if machines.is_linked || machines.why.is_none() {
                    tracing::warn!("other machines cannot be heard: the database cannot be used: {why}");
                }
                (machines.is_linked, machines.why) = (false, Some(why));
                machines.peers.hears(None);
                self.endings.nothing_is_written();
            }
            Said::Here { from, is_ours, presence } => machines.here(from, is_ours, presence),
            Said::Gone { from } => {
                if let Some(name) = machines.peers.gone(from) {
                    tracing::info!("{name}, which shares the database, has ended");
                }
            }
            Said::Heard(word) => self.spread_word(None, word),
            Said::Ended { floor, ended } => self.endings.wait_from_elsewhere(floor, ended),
            Said::Written { batch } => self.endings.written(batch),
        }
    }

    /// Every look.
    pub(super) fn look_at_machines(&mut self, now_ns: u64) {
        let state = self.state();
        let members = self.slots.values().filter(|slot| slot.is_member).count();
        let (replicas, members) = (self.reference().replicas, u16::try_from(members).unwrap_or(u16::MAX));
        let Some(machines) = &mut self.machines else { return };
        machines.look(now_ns);
        machines.presence.send_if_modified(|told| {
            let is_other = (&*told.state, told.replicas, told.members) != (state, replicas, members);
            (told.state, told.replicas, told.members) = (state.to_string(), replicas, members);
            is_other
        });
        if machines.is_linked && machines.has_others && machines.owes_ends {
            let (floor, ended) = self.endings.all_ended();
            machines.owes_ends = !machines.ended(0, floor, ended);
        }
    }

    /// What `cluster status` says of other machines; null where there is no database to find them by.
    pub(super) fn machines_status(&self, now_ns: u64) -> Value {
        let Some(machines) = &self.machines else { return Value::Null };
        let (mut machine, peers) = machines.status(now_ns);
        machine["why"] = json!(machines.why);
        json!({"machine": machine, "peers": peers})
    }
}

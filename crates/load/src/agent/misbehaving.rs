//! Clients that are wrong on purpose, beside those that are held: on the agent's main thread and on connections of their own,
//! so that the engine has no part in them. What becomes of them is in rows of its own, and in no other figure.

mod client;
mod counts;
mod texts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_record::{Entry, MisbehavingRow};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::line::Voice;
use crate::allowed::Allowed;
use crate::clock::RunClock;
use crate::misbehaviour::Misbehaviour;
use crate::net::tls::Tls;
use crate::proto;
use crate::proto::agent_message::Message;
use crate::random::Random;
use client::Client;
use counts::Counts;
pub(super) use texts::Texts;

/// Of one agent, at most.
const CLIENTS_MAX: u32 = 20_000;
/// Rows are told so often; each has all that was counted so far.
const ROWS_EVERY: Duration = Duration::from_secs(5);

/// Where they go, and what they say.
#[derive(Debug, Clone)]
pub(super) struct Misbehaving {
    pub(super) agent: u32,
    pub(super) seed: u64,
    pub(super) clock: RunClock,
    pub(super) endpoints: Vec<SocketAddr>,
    pub(super) allowed: Allowed,
    pub(super) tls: Option<Tls>,
    /// How long an answer is waited for.
    pub(super) timeout: Duration,
    pub(super) texts: Texts,
}

/// Those of one way.
#[derive(Debug)]
struct Group {
    way: Misbehaviour,
    clients: u32,
    /// From the end of one deed to the next, drawn between these two, microseconds.
    every_us: (u64, u64),
    counts: Counts,
}

impl Misbehaving {
    /// Until the order's time is over or `cut` says so; then its block is done.
    pub(super) async fn run(self, order: proto::Misbehave, voice: Voice, mut cut: watch::Receiver<bool>) {
        let end_us = order.start_us + order.duration_us;
        let groups: Arc<[Group]> = groups(&order).into();
        let misbehaving = Arc::new(self);
        let (ending, told) = watch::channel(false);
        let mut clients = JoinSet::new();
        let mut number = 0;
        for index in 0..groups.len() {
            for _ in 0..groups[index].clients {
                let stream = (1 << 49) | (u64::from(misbehaving.agent) << 24) | number;
                let random = Random::new(misbehaving.seed, stream);
                let client = Client::new(Arc::clone(&misbehaving), Arc::clone(&groups), (index, number), random);
                let start_us = order.start_us.saturating_sub(misbehaving.clock.now_us());
                clients.spawn(client.run(Duration::from_micros(start_us), told.clone()));
                number += 1;
            }
        }
        let left_us = end_us.saturating_sub(misbehaving.clock.now_us());
        let over = sleep(Duration::from_micros(left_us));
        tokio::pin!(over);
        let mut rows = interval(ROWS_EVERY);
        rows.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut over => break,
                // Its other end is gone with the agent's work.
                _ = cut.wait_for(|cut| *cut) => break,
                _ = rows.tick() => {}
            }
            misbehaving.tell(&order, &groups, &voice).await;
        }
        let _ = ending.send(true);
        while clients.join_next().await.is_some() {}
        misbehaving.tell(&order, &groups, &voice).await;
        let _ = voice.say(Message::Done(proto::Done { block: order.block })).await;
    }

    /// Where nobody listens any more nobody needs to know.
    async fn tell(&self, order: &proto::Misbehave, groups: &[Group], voice: &Voice) {
        let row = |group: &Group| {
            let counted = group.counts.row();
            let (agent, phase, block) = (self.agent, order.phase as u8, order.block);
            let (way, clients) = (group.way.name().to_string(), u64::from(group.clients));
            Entry::Misbehaving(MisbehavingRow { agent, phase, block, way, clients, ..counted })
        };
        let lines = groups.iter().filter_map(|group| serde_json::to_string(&row(group)).ok()).collect();
        let _ = voice.say(Message::Rows(proto::Rows { lines })).await;
    }
}

/// Ways of which this agent knows nothing are left out: the orchestrator has none.
fn groups(order: &proto::Misbehave) -> Vec<Group> {
    let mut room = CLIENTS_MAX;
    let mut group = |told: &proto::MisbehavingClients| {
        let way = Misbehaviour::named(&told.way)?;
        let clients = told.clients.min(room);
        room -= clients;
        let every_us = (told.every_min_us, told.every_max_us.max(told.every_min_us));
        Some(Group { way, clients, every_us, counts: Counts::default() })
    };
    order.clients.iter().filter_map(&mut group).collect()
}

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use erlmcp_record::operations::{OperationId, Reason};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::answer::{self, Echoed, Whole};
use super::course::{Course, End, Next};
use super::journal::Identity;
use super::replica_connection::ReplicaConnection;
use super::{Endpoints, NOWHERE, Shared};
use crate::clock::monotonic_ns;
use crate::random::Random;
use crate::retry::RetryBudget;

/// One in so many is sent again after it was ok, and has to be answered with what is stored.
const REPEATED_ONE_IN: u64 = 20;
/// One in so many is sent only after the store has said that it never was, and has to be refused.
const LATE_ONE_IN: u64 = 50;

/// Carries out one operation after another.
#[derive(Debug)]
pub(super) struct Lane {
    shared: Arc<Shared>,
    number: usize,
    endpoints: Endpoints,
    /// Which of the endpoints it is at.
    place: usize,
    connection: ReplicaConnection,
    /// Only for waits: ids and nonces of two runs must differ whatever their seed.
    random: Random,
    last_id: u64,
    ending: watch::Receiver<bool>,
}

impl Lane {
    pub(super) fn new(
        shared: Arc<Shared>,
        (number, place): (usize, usize),
        seed: u64,
        ending: watch::Receiver<bool>,
    ) -> Self {
        let endpoints = shared.endpoints();
        let connection = shared.connection_to(endpoints[place % endpoints.len()].1);
        let random = Random::new(seed, (1 << 48) | place as u64);
        Self { shared, number, endpoints, place, connection, random, last_id: 0, ending }
    }

    /// Begins one each so long, where the one before is over, until no more are wanted.
    pub(super) async fn run(mut self, first: Duration, every: Duration) {
        // Where the other end is not there yet, the first operation says so.
        let _ = self.connection.connect().await;
        self.note();
        sleep(first).await;
        let mut ticks = interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                _ = self.ending.wait_for(|ending| *ending) => return,
                _ = ticks.tick() => {}
            }
            let Some(of) = self.identity() else { return };
            self.follow();
            self.shared.budget(RetryBudget::first);
            let is_late = self.random.below(LATE_ONE_IN) == 0 && self.shared.spares_one();
            let goes_on = if is_late { self.late(&of).await } else { self.operation(&of).await };
            if !goes_on {
                return;
            }
        }
    }

    /// A new operation; None where the system gives no random numbers.
    fn identity(&self) -> Option<Identity> {
        let mut bytes = [0; 24];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let operation = OperationId(u128::from_le_bytes(bytes[..16].try_into().ok()?));
        let nonce = u64::from_le_bytes(bytes[16..].try_into().ok()?);
        Some(Identity { operation, fingerprint: self.shared.texts.fingerprint(nonce), nonce })
    }

    /// Until its fate is known. False where the journal cannot be written any more.
    async fn operation(&mut self, of: &Identity) -> bool {
        let mut course = Course::begin();
        let mut next = Next::Attempt { number: 1, after_us: 0 };
        let mut last = (0, End::Info(Reason::NotSent));
        loop {
            next = match next {
                Next::Attempt { number, after_us } => {
                    sleep(Duration::from_micros(after_us)).await;
                    let Some(end) = self.attempt(of, number).await else { return false };
                    last = (number, end);
                    let shared = Arc::clone(&self.shared);
                    shared.budget(|budget| course.attempted(end, (budget, monotonic_ns() / 1_000), &mut self.random))
                }
                Next::Ask { after_us } => {
                    sleep(Duration::from_micros(after_us)).await;
                    let settled = self.ask(of).await;
                    if let Some((state, result)) = settled {
                        self.shared.journal(|journal| journal.resolved(of, state, result));
                    }
                    course.asked(settled.map(|(state, _)| state), &mut self.random)
                }
                Next::Over => break,
            };
        }
        if last.1 == End::Ok && self.random.below(REPEATED_ONE_IN) == 0 && self.shared.spares_one() {
            // What comes of it changes nothing: the operation was ok.
            let _ = self.attempt(of, last.0 + 1).await;
        }
        self.settled()
    }

    /// An operation whose first attempt is held back until the store has said that it never was: then it is made, and has
    /// to be refused.
    async fn late(&mut self, of: &Identity) -> bool {
        let replica = self.replica();
        if !self.shared.journal(|journal| journal.invoke(of, 1, replica)) {
            return false;
        }
        let not_sent = End::Fail { reason: Reason::NotSent, after_us: None };
        self.shared.journal(|journal| journal.ended(of, (1, replica), not_sent, Echoed::default()));
        self.ask_until_settled(of).await;
        if let Some(End::Info(_)) = self.attempt(of, 2).await {
            self.ask_until_settled(of).await;
        }
        self.settled()
    }

    async fn ask_until_settled(&mut self, of: &Identity) {
        let mut course = Course::begin();
        let mut next = course.asked(None, &mut self.random);
        while let Next::Ask { after_us } = next {
            sleep(Duration::from_micros(after_us)).await;
            let settled = self.ask(of).await;
            if let Some((state, result)) = settled {
                self.shared.journal(|journal| journal.resolved(of, state, result));
            }
            next = course.asked(settled.map(|(state, _)| state), &mut self.random);
        }
    }

    /// An operation's fate is known. False where the journal cannot be written any more.
    fn settled(&self) -> bool {
        self.shared.journal(|journal| {
            journal.settled();
            !journal.is_broken()
        })
    }

    /// One attempt, and its records. None where it could not be journaled, and so was not made.
    async fn attempt(&mut self, of: &Identity, attempt: u8) -> Option<End> {
        let replica = self.replica();
        self.last_id += 1;
        let id = self.last_id;
        let request = self.shared.texts.attempt(of, attempt, id).ok()?;
        if !self.shared.journal(|journal| journal.invoke(of, attempt, replica)) {
            return None;
        }
        let (end, result) = match self.sent(of, (attempt, replica), &request).await {
            Ok(()) => match self.connection.receive(id).await {
                Ok(whole) => answer::of_attempt(&whole),
                Err(end) => (end, Echoed::default()),
            },
            Err(end) => (end, Echoed::default()),
        };
        self.shared.journal(|journal| journal.ended(of, (attempt, replica), end, result));
        self.move_on_if_cut().await;
        Some(end)
    }

    async fn sent(&mut self, of: &Identity, (attempt, replica): (u8, u16), request: &[u8]) -> Result<(), End> {
        self.connection.connect().await?;
        self.connection.send(request).await?;
        self.shared.journal(|journal| journal.sent_all(of, attempt, replica));
        Ok(())
    }

    async fn ask(&mut self, of: &Identity) -> Option<(Reason, Echoed)> {
        let answered = self.question(of).await;
        self.move_on_if_cut().await;
        answered.as_ref().and_then(answer::of_question)
    }

    async fn question(&mut self, of: &Identity) -> Option<Whole> {
        self.last_id += 1;
        let id = self.last_id;
        let request = self.shared.texts.question(of, id).ok()?;
        self.connection.connect().await.ok()?;
        self.connection.send(&request).await.ok()?;
        self.connection.receive(id).await.ok()
    }

    fn replica(&self) -> u16 {
        self.endpoints[self.place % self.endpoints.len()].0
    }

    fn address(&self) -> SocketAddr {
        self.endpoints[self.place % self.endpoints.len()].1
    }

    /// Takes over the addresses that there are now; the connection stays where its address is the same.
    fn follow(&mut self) {
        let now = self.shared.endpoints();
        if Arc::ptr_eq(&now, &self.endpoints) {
            return;
        }
        let before = self.address();
        self.endpoints = now;
        if self.address() != before {
            self.connection = self.shared.connection_to(self.address());
            self.note();
        }
    }

    /// A connection that was lost is taken elsewhere at once.
    async fn move_on_if_cut(&mut self) {
        if !self.connection.is_connected() {
            self.note();
            self.place += 1;
            self.connection = self.shared.connection_to(self.address());
            let _ = self.connection.connect().await;
        }
        self.note();
    }

    /// Where it is connected now.
    fn note(&self) {
        let place = (self.place % self.endpoints.len()) as u32;
        let place = if self.connection.is_connected() { place } else { NOWHERE };
        self.shared.places[self.number].store(place, Ordering::Relaxed);
    }
}

//! The one thread that writes: whatever has come in while it wrote goes into its next transaction.

use std::collections::HashMap;

use tokio::sync::{mpsc, oneshot};

use super::heart::{Command, Outcome};
use super::keeper::{Deciding, Reply};
use super::store::StoreError;
use super::table::Incarnation;
use super::wire::FromStore;
use crate::clock::monotonic_ns;

/// Orders that may wait; who brings one more waits too.
const ORDERS_MAX: usize = 1_024;
/// Commands of one transaction.
const COMMANDS_MAX: usize = 4_096;
/// Between two looks at what has become too old, ns.
const SWEEP_NS: u64 = 1_000_000_000;
/// Between two warnings, ns.
const WARN_NS: u64 = 1_000_000_000;

/// What the writer is asked to do.
pub(crate) enum Order {
    /// Of one connection, in order. Its answers go out as bytes.
    Commands {
        place: Place,
        commands: Vec<(u64, Command)>,
        answers: mpsc::Sender<Vec<u8>>,
    },
    Connect {
        incarnation: Incarnation,
        answer: oneshot::Sender<Result<Option<Place>, StoreError>>,
    },
    /// Of the incarnations of `base` up to `up_to` these live.
    Living {
        base: u64,
        up_to: u64,
        living: Vec<u64>,
    },
    /// There may be something to do that nobody orders.
    Look,
    /// The writer ends, and lets go of the store.
    Stop,
}

/// A connection of an incarnation. What comes from an earlier connection after a later one was made is not carried out:
/// it was sent again, and what came of that may have been taken back since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: u64,
    connection: u64,
}

/// In place of answers: the connection is to end.
pub(crate) const CLOSE: Vec<u8> = Vec::new();

/// The way to the writer.
pub(crate) type Orders = mpsc::Sender<Order>;

/// Starts the writer; it ends with [`Order::Stop`], or when nobody can order anything any more.
pub(crate) fn start<D: Deciding>(keeper: D) -> std::io::Result<(Orders, std::thread::JoinHandle<()>)> {
    let (orders, waiting) = mpsc::channel(ORDERS_MAX);
    let thread = std::thread::Builder::new().name("store".to_string()).spawn(move || run(keeper, waiting))?;
    Ok((orders, thread))
}

fn run<D: Deciding>(mut keeper: D, mut waiting: mpsc::Receiver<Order>) {
    let mut swept_ns = monotonic_ns();
    // The last connection of each epoch that lives; cleared of the others at each new one.
    let mut current: HashMap<u64, u64> = HashMap::new();
    let mut connections = 0;
    let mut held = Vec::new();
    let mut log = Log::default();
    // Who lives, as long as it could not be written.
    let mut owed: Option<Living> = None;
    while let Some(first) = waiting.blocking_recv() {
        let mut next = Some(first);
        let mut count = 0;
        while let Some(order) = next {
            match order {
                Order::Commands { place, commands, answers } => {
                    if current.get(&place.epoch) == Some(&place.connection) {
                        count += commands.len();
                        held.push((place.epoch, commands, answers));
                    }
                }
                Order::Connect { incarnation, answer } => {
                    carry_out(&mut keeper, &mut held, &mut log);
                    let epoch = keeper.connect(incarnation, monotonic_ns());
                    log.note(epoch.as_ref().err());
                    connections += 1;
                    let place = |epoch| Place { epoch, connection: connections };
                    if let Ok(Some(epoch)) = epoch {
                        current.retain(|epoch, _| keeper.lives(*epoch));
                        current.insert(epoch, connections);
                    }
                    // Who asked may have gone; it will ask again.
                    let _ = answer.send(epoch.map(|epoch| epoch.map(place)));
                }
                Order::Look => {}
                Order::Stop => return carry_out(&mut keeper, &mut held, &mut log),
                Order::Living { base, up_to, living } => {
                    carry_out(&mut keeper, &mut held, &mut log);
                    owed = Some(Living { base, up_to, living });
                    pay(&mut keeper, &mut owed, &mut log);
                }
            }
            next = if count < COMMANDS_MAX { waiting.try_recv().ok() } else { None };
        }
        carry_out(&mut keeper, &mut held, &mut log);
        if monotonic_ns().saturating_sub(swept_ns) >= SWEEP_NS {
            swept_ns = monotonic_ns();
            pay(&mut keeper, &mut owed, &mut log);
            log.note(keeper.sweep(swept_ns).err().as_ref());
        }
    }
}

/// What the supervisor has last said of who lives.
struct Living {
    base: u64,
    up_to: u64,
    living: Vec<u64>,
}

/// Takes the claims of the dead away. A store without room does so later: nobody says it again.
fn pay<D: Deciding>(keeper: &mut D, owed: &mut Option<Living>, log: &mut Log) {
    let Some(Living { base, up_to, living }) = owed else { return };
    let paid = keeper.living(*base, *up_to, living, monotonic_ns());
    log.note(paid.as_ref().err());
    if paid.is_ok() {
        *owed = None;
    }
}

/// Warnings, one a second at most: a store without room fails with every transaction.
#[derive(Default)]
struct Log {
    warned_ns: Option<u64>,
}

impl Log {
    fn note(&mut self, error: Option<&StoreError>) {
        let Some(error) = error else { return };
        let now_ns = monotonic_ns();
        if self.warned_ns.is_none_or(|warned_ns| now_ns.saturating_sub(warned_ns) >= WARN_NS) {
            self.warned_ns = Some(now_ns);
            tracing::warn!("{error}");
        }
    }
}

type Held = (u64, Vec<(u64, Command)>, mpsc::Sender<Vec<u8>>);

/// One transaction for all that is held, and then all answers.
fn carry_out<D: Deciding>(keeper: &mut D, held: &mut Vec<Held>, log: &mut Log) {
    if held.is_empty() {
        return;
    }
    let mut batch = Vec::new();
    let mut senders = Vec::new();
    for (epoch, commands, answers) in held.drain(..) {
        let (numbers, commands): (Vec<u64>, Vec<Command>) = commands.into_iter().unzip();
        batch.extend(commands.into_iter().map(|command| (epoch, command)));
        senders.push((epoch, numbers, answers));
    }
    let executed = keeper.execute(&batch, monotonic_ns());
    log.note(executed.as_ref().err());
    let failed = match &executed {
        // Nothing was written: there is no doubt.
        Err(StoreError::NotWritten(_)) => FromStore::Done(Reply { outcome: Outcome::NotWritten, result: None }),
        _ => FromStore::Unavailable,
    };
    let mut replies = executed.ok().map(Vec::into_iter);
    for (epoch, numbers, answers) in senders {
        let mut bytes = Vec::with_capacity(numbers.len() * 64);
        for number in numbers {
            let reply = replies.as_mut().and_then(Iterator::next);
            let said = reply.map_or_else(|| failed.clone(), FromStore::Done);
            if let Err(error) = said.write(&mut bytes, number) {
                tracing::error!("an answer of the store is not sent: {error}");
                // This fits.
                let _ = FromStore::Unavailable.write(&mut bytes, number);
            }
        }
        // One that is gone will ask again on its next connection; none leaves so much unread that there is no room.
        let _ = answers.try_send(bytes);
        if !keeper.lives(epoch) {
            // Another connection gives it another epoch, or tells it that it is over.
            let _ = answers.try_send(CLOSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::heart::{Class, Key, Settled};
    use crate::operations::keeper::Keeper;
    use crate::operations::memory::{Fate, MemoryStore};
    use crate::operations::table::Keep;

    fn key() -> Key {
        Key { principal: Box::default(), operation: "a".into() }
    }

    /// What one command is answered.
    fn said(orders: &Orders, place: Place, command: Command) -> Outcome {
        let (answers, mut waiting) = mpsc::channel(1);
        let order = Order::Commands { place, commands: vec![(1, command)], answers };
        orders.blocking_send(order).map_err(drop).expect("it goes on");
        match FromStore::read(&waiting.blocking_recv().expect("an answer")) {
            Ok(Some((_, 1, FromStore::Done(reply)))) => reply.outcome,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_dead_lose_their_claims_also_where_there_was_no_room_for_it() {
        let store = MemoryStore::default();
        let keeper = Keeper::open(store.clone(), Keep { held_max: 10, retention_ns: u64::MAX, unfiled_rows: 2 }, 0)
            .expect("it opens");
        let (orders, writer) = start(keeper).expect("it starts");
        let (answer, answered) = oneshot::channel();
        let incarnation = Incarnation { base: 1, replica: 1, number: 1 };
        orders.blocking_send(Order::Connect { incarnation, answer }).map_err(drop).expect("it goes on");
        let place = answered.blocking_recv().expect("an answer").expect("written").expect("the first");
        let claim = Command::Claim { key: key(), ticket: 1, class: Class::Once, fingerprint: [1; 16] };
        assert_eq!(said(&orders, place, claim), Outcome::Granted);
        store.disk(|disk| disk.next = Fate::Full);
        let nobody = Order::Living { base: 1, up_to: 1, living: Vec::new() };
        orders.blocking_send(nobody).map_err(drop).expect("it goes on");
        let ask = || Command::Ask { key: key(), settle: false };
        assert_eq!(said(&orders, place, ask()), Outcome::Running { epoch: place.epoch }, "there was no room");
        while said(&orders, place, ask()) != Outcome::Settled(Settled::Indeterminate) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        orders.blocking_send(Order::Stop).map_err(drop).expect("it goes on");
        writer.join().expect("it ends");
    }
}

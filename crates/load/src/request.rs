//! One request on its way, and those that wait for their connection.

use erlmcp_protocol::client::canned::Question;
use erlmcp_record::Fate;
use slab::Slab;

use crate::cause::Cause;
use crate::ledger::{Account, Ticket};

/// Requests waiting for their connections at once, at most.
pub(crate) const WAITING_MAX: usize = 1 << 19;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// What cannot hurt any server: a connection's first request, the sweep, a check.
    Probe,
    Load,
    Queued,
    /// A step of the workload, in the session with this number.
    Step {
        step: u16,
        session: u32,
    },
    /// Opens a connection's own legacy session.
    Initialize,
    /// Ends the handshake.
    Initialized,
    /// Ends the session.
    EndSession,
    /// Answers a request of the server's.
    Answer,
    /// Asks, in a legacy session, to be told of the resource with this number.
    Subscribe(u8),
    /// Opens a stream of notifications.
    Listen,
}

/// One attempt of a planned request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) ticket: Ticket,
    pub(crate) call: Call,
    /// When this attempt was to be sent.
    pub(crate) due_us: u64,
    /// Unsent at this time, it is given up.
    pub(crate) give_up_us: u64,
    /// One that is tried again is tried until this time; 0: not at all.
    pub(crate) patience_us: u64,
    /// From 1.
    pub(crate) attempt: u32,
    /// How the attempt before this one has failed.
    pub(crate) failed: Option<(Fate, Cause)>,
    /// Where it goes on after an answer that was not its end.
    pub(crate) leg: Option<Box<Leg>>,
}

impl Request {
    /// The first attempt of one that is not tried again.
    pub(crate) fn new(ticket: Ticket, call: Call, due_us: u64, give_up_us: u64) -> Self {
        Self { ticket, call, due_us, give_up_us, patience_us: 0, attempt: 1, failed: None, leg: None }
    }
}

/// How a request goes on that was sent before.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) next: Next,
    /// Legs after the first, this one included.
    pub(crate) number: u8,
    /// When it is to be sent; 0: at once.
    pub(crate) not_before_us: u64,
    /// When the first leg was written, and what was seen of its answer.
    pub(crate) began_us: u64,
    pub(crate) headers_us: u64,
    pub(crate) first_event_us: u64,
}

/// What is sent in a further leg.
#[derive(Debug)]
pub(crate) enum Next {
    /// The request again, with these members among its parameters.
    Round(Box<str>),
    /// A GET after this event, for the answer to the request with this id.
    Resume { id: u64, after: Box<str> },
}

/// What a request in flight is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    Planned(Request),
    /// Of a connection's own session. Not in the ledger: whatever waits for it is late.
    Handshake,
    /// Is the endpoint there? Not in the ledger.
    Check,
    /// Answers a request of the server's. Not in the ledger.
    Answer(Box<Reply>),
    /// Of a stream of notifications, which is apart from all requests.
    Stream,
}

/// An answer to a request of the server's, to be sent to where that came from.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) endpoint: u16,
    /// None: it answers nothing, but cancels a request.
    pub(crate) question: Option<Question>,
    /// What the request counted as on whose stream it was asked.
    pub(crate) account: Account,
    pub(crate) bytes: Box<[u8]>,
    /// Not taken by then, it counts as not answered.
    pub(crate) give_up_us: u64,
    /// It was sent on a connection that had been kept, and which was gone.
    pub(crate) was_lost: bool,
}

/// The request that a connection is busy with. Times are run clock; 0: not yet.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) purpose: Purpose,
    pub(crate) call: Call,
    pub(crate) id: u64,
    pub(crate) written_us: u64,
    pub(crate) headers_us: u64,
    pub(crate) first_event_us: u64,
    /// The response came, and its stream had not ended.
    pub(crate) responded_us: u64,
}

impl Flight {
    pub(crate) fn new(purpose: Purpose, call: Call, id: u64) -> Self {
        Self { purpose, call, id, written_us: 0, headers_us: 0, first_event_us: 0, responded_us: 0 }
    }

    /// The leg that it is in, where that is not the first.
    pub(crate) fn leg(&self) -> Option<&Leg> {
        match &self.purpose {
            Purpose::Planned(request) => request.leg.as_deref(),
            _ => None,
        }
    }

    /// When its first leg was written.
    pub(crate) fn began_us(&self) -> u64 {
        self.leg().map_or(self.written_us, |leg| leg.began_us)
    }
}

const NONE: u32 = u32::MAX;

/// The requests that wait for one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queue {
    first: u32,
    last: u32,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self { first: NONE, last: NONE }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.first == NONE
    }
}

#[derive(Debug)]
struct Waiter {
    request: Request,
    next: u32,
}

/// The waiting requests of all connections, in one pool.
#[derive(Debug, Default)]
pub(crate) struct WaitingRequests {
    pool: Slab<Waiter>,
}

impl WaitingRequests {
    pub(crate) fn is_full(&self) -> bool {
        self.pool.len() >= WAITING_MAX
    }

    pub(crate) fn push_back(&mut self, queue: &mut Queue, request: Request) {
        let key = self.pool.insert(Waiter { request, next: NONE }) as u32;
        match queue.last {
            NONE => queue.first = key,
            last => self.pool[last as usize].next = key,
        }
        queue.last = key;
    }

    pub(crate) fn push_front(&mut self, queue: &mut Queue, request: Request) {
        let key = self.pool.insert(Waiter { request, next: queue.first }) as u32;
        if queue.last == NONE {
            queue.last = key;
        }
        queue.first = key;
    }

    pub(crate) fn pop_front(&mut self, queue: &mut Queue) -> Option<Request> {
        if queue.first == NONE {
            return None;
        }
        let waiter = self.pool.remove(queue.first as usize);
        queue.first = waiter.next;
        if queue.first == NONE {
            queue.last = NONE;
        }
        Some(waiter.request)
    }

    /// Takes out the first request that is to be given up by now.
    pub(crate) fn pop_expired(&mut self, queue: &mut Queue, now_us: u64) -> Option<Request> {
        let (mut before, mut key) = (NONE, queue.first);
        while key != NONE {
            let waiter = &self.pool[key as usize];
            if waiter.request.give_up_us <= now_us {
                return Some(self.unlink(queue, before, key));
            }
            (before, key) = (key, waiter.next);
        }
        None
    }

    fn unlink(&mut self, queue: &mut Queue, before: u32, key: u32) -> Request {
        let waiter = self.pool.remove(key as usize);
        match before {
            NONE => queue.first = waiter.next,
            before => self.pool[before as usize].next = waiter.next,
        }
        if queue.last == key {
            queue.last = before;
        }
        waiter.request
    }

    /// When the next of the queue is to be given up.
    pub(crate) fn give_up_us(&self, queue: Queue) -> Option<u64> {
        let mut earliest = None;
        let mut key = queue.first;
        while key != NONE {
            let waiter = &self.pool[key as usize];
            let at = waiter.request.give_up_us;
            earliest = Some(earliest.map_or(at, |earlier: u64| earlier.min(at)));
            key = waiter.next;
        }
        earliest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Ledger, NO_ENDPOINT};
    use erlmcp_record::Kind;

    fn request(due_us: u64, give_up_us: u64) -> Request {
        let account = Account { block: 1, phase: 1, kind: Kind::Load, class: 0 };
        let ticket = Ledger::default().plan(account, due_us, NO_ENDPOINT);
        Request::new(ticket, Call::Load, due_us, give_up_us)
    }

    fn drain(waiting: &mut WaitingRequests, queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| waiting.pop_front(queue)).map(|request| request.due_us).collect()
    }

    #[test]
    fn requests_leave_in_their_order() {
        let mut waiting = WaitingRequests::default();
        let (mut one, mut other) = (Queue::new(), Queue::new());
        for due in 1..=3 {
            waiting.push_back(&mut one, request(due, 100));
            waiting.push_back(&mut other, request(due * 10, 100));
        }
        waiting.push_front(&mut one, request(0, 100));
        assert_eq!(drain(&mut waiting, &mut one), [0, 1, 2, 3]);
        assert!(one.is_empty());
        assert_eq!(drain(&mut waiting, &mut other), [10, 20, 30]);
        waiting.push_front(&mut one, request(7, 100));
        waiting.push_back(&mut one, request(8, 100));
        assert_eq!(drain(&mut waiting, &mut one), [7, 8]);
    }

    #[test]
    fn expired_ones_are_taken_from_wherever_they_are() {
        let mut waiting = WaitingRequests::default();
        let mut queue = Queue::new();
        for (due, give_up) in [(1, 900), (2, 200), (3, 300), (4, 900), (5, 100)] {
            waiting.push_back(&mut queue, request(due, give_up));
        }
        assert_eq!(waiting.give_up_us(queue), Some(100));
        let mut expired = Vec::new();
        while let Some(request) = waiting.pop_expired(&mut queue, 300) {
            expired.push(request.due_us);
        }
        assert_eq!(expired, [2, 3, 5]);
        waiting.push_back(&mut queue, request(6, 900));
        assert_eq!(drain(&mut waiting, &mut queue), [1, 4, 6]);
        assert_eq!(waiting.give_up_us(queue), None);
    }
}

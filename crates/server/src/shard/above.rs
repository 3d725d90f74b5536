//! Connections above the limit. Who looks after a full server has to reach it all the same: each of them may ask for a page, and has
//! a short time for that. They take descriptors that are kept for other things, so they are few, and the oldest goes for the next.

use std::collections::VecDeque;

use super::{ConnToken, Net, Origin, Shard};
use crate::conn::Reading;

/// The places of a shard for them, oldest first. Those of the operators' listeners are apart, where no client can take them.
#[derive(Debug)]
pub(super) struct Above {
    places: [VecDeque<ConnToken>; 2],
    /// Of each.
    max: usize,
}

impl Above {
    pub(super) fn new(max: u64) -> Self {
        Self { places: Default::default(), max: usize::try_from(max).unwrap_or(usize::MAX) }
    }

    /// Who has to go before another one comes; None: there is room.
    fn oldest_where_full(&self, is_admin: bool) -> Option<ConnToken> {
        let places = &self.places[usize::from(is_admin)];
        places.front().copied().filter(|_| places.len() >= self.max)
    }

    fn enter(&mut self, token: ConnToken, is_admin: bool) {
        self.places[usize::from(is_admin)].push_back(token);
    }

    fn leave(&mut self, token: ConnToken) {
        self.places.iter_mut().for_each(|places| places.retain(|place| *place != token));
    }
}

impl<N: Net> Shard<N> {
    /// Takes a connection above the limit.
    pub(super) fn admit_above(&mut self, stream: N::Stream, origin: Origin) {
        if let Some(oldest) = self.above.oldest_where_full(self.shared.is_admin_listener(origin.listener)) {
            self.send_away(oldest.key);
        }
        if let Some(key) = self.put_above(stream, origin) {
            self.set_deadline(key, self.after_ms(self.shared.limits.linger_timeout_ms));
        }
    }

    /// Tells a connection that it is one too many of its address, and ends it.
    pub(crate) fn refuse(&mut self, stream: N::Stream, origin: Origin) {
        if self.above.oldest_where_full(self.shared.is_admin_listener(origin.listener)).is_some() {
            return self.counters.refused.add(1);
        }
        let Some(key) = self.put_above(stream, origin) else { return };
        self.turn_away(key);
        // One that has to shake hands before it can be told gets no more time for it than others have for a request.
        if self.table.get(key).is_some_and(|connection| connection.output.is_some()) {
            self.set_deadline(key, self.after_ms(self.shared.limits.head_timeout_ms));
        }
    }

    fn put_above(&mut self, stream: N::Stream, origin: Origin) -> Option<u32> {
        let key = self.put(stream, origin)?;
        let connection = self.table.get_mut(key)?;
        connection.refused = true;
        let token = ConnToken::new(key, connection.generation);
        self.above.enter(token, self.shared.is_admin_listener(origin.listener));
        self.counters.above.add(1);
        Some(key)
    }

    /// Its place is free again.
    pub(super) fn leave_above(&mut self, token: ConnToken) {
        self.above.leave(token);
        self.counters.above.subtract(1);
    }

    /// Ends it at once. One that has asked for nothing is told why.
    pub(super) fn send_away(&mut self, key: u32) {
        if self.table.get(key).is_some_and(|connection| connection.reading == Reading::Head && !connection.closes) {
            self.turn_away(key);
        }
        self.close(key);
    }

    fn turn_away(&mut self, key: u32) {
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.closes = true;
        connection.reading = Reading::Busy;
        self.dispatcher.too_many(&mut self.out);
        self.flush(key);
    }
}

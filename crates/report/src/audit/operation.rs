//! One operation, as all journals together tell of it.

use erlmcp_record::operations::{Class, Event, Reason};

use super::compact::Compact;

/// What its client knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// No client has begun it.
    NotOurs,
    Ok,
    /// Every attempt certainly did nothing.
    Failed,
    /// Some attempt's end was not known, and the store was asked.
    Resolved(Settled),
    Unresolved,
}

/// The states in which the store settles an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Done,
    Never,
    Cancelled,
    Expired,
    Indeterminate,
}

impl Settled {
    const ALL: [(Settled, Reason, Event); 5] = [
        (Settled::Done, Reason::Done, Event::Done),
        (Settled::Never, Reason::Never, Event::Never),
        (Settled::Cancelled, Reason::Cancelled, Event::Cancelled),
        (Settled::Expired, Reason::Expired, Event::Expired),
        (Settled::Indeterminate, Reason::Indeterminate, Event::Indeterminate),
    ];
}

/// What may only be found while records come in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Oddities(u16);

impl Oddities {
    pub(super) const TWO_JOURNALS: Self = Self(1);
    pub(super) const ENDED_TWICE: Self = Self(1 << 1);
    pub(super) const NOT_BEGUN: Self = Self(1 << 2);
    pub(super) const FINGERPRINT: Self = Self(1 << 3);
    pub(super) const NONCE: Self = Self(1 << 4);
    pub(super) const RESULTS_DIFFER: Self = Self(1 << 5);
    pub(super) const PRINCIPALS: Self = Self(1 << 6);
    pub(super) const FENCED_WRITE: Self = Self(1 << 7);
    pub(super) const DONE_CHANGED: Self = Self(1 << 8);
    pub(super) const AFTER_TOMBSTONE: Self = Self(1 << 9);
    pub(super) const STARTED_AGAIN: Self = Self(1 << 10);
    pub(super) const AFTER_DONE: Self = Self(1 << 11);

    pub(super) fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    fn set(&mut self, one: Self, is: bool) {
        self.0 |= if is { one.0 } else { 0 };
    }
}

/// All that the rules need. Counts saturate: past 255 it is one thing or the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Operation {
    pub(super) odd: Oddities,
    pub(super) class: Class,
    // The client's side.
    /// Attempts begun and ended, a bit each; all from the 32nd share one.
    begun: u32,
    ended: u32,
    attempts: u8,
    pub(super) oks: u8,
    pub(super) fails: u8,
    infos: u8,
    pub(super) replayed: bool,
    /// Ok answers that were no stored ones: each has a claim of its own.
    fresh: u8,
    /// Attempts that a 5xx ended which does not say whether they were executed.
    unmarked: u8,
    /// What the store has told its client, a bit for each of [`Settled`].
    told: u8,
    source: u16,
    fingerprint: u64,
    nonce: u64,
    pub(super) ok_hash: u64,
    pub(super) ok_epoch: u64,
    pub(super) resolved_hash: u64,
    // The store's side.
    pub(super) accepted: u8,
    pub(super) started: u8,
    pub(super) done: u8,
    /// What the store has kept, a bit for each of [`Settled`].
    kept: u8,
    pub(super) effects: u8,
    is_principal_known: bool,
    is_store_fingerprint_known: bool,
    principal: u32,
    /// The epoch that holds the claim.
    claim: Option<u64>,
    store_fingerprint: u64,
    pub(super) done_hash: u64,
    pub(super) done_epoch: u64,
    pub(super) effect_epoch: u64,
}

fn count(number: &mut u8) {
    *number = number.saturating_add(1);
}

impl Operation {
    /// Takes one record. Those of one journal come in their order, journals in any.
    pub(super) fn push(&mut self, record: &Compact) {
        if record.event.is_stores() { self.push_stored(record) } else { self.push_client(record) }
    }

    fn push_client(&mut self, record: &Compact) {
        let is_first = self.attempts == 0 && self.ended == 0 && self.told == 0;
        self.odd.set(Oddities::TWO_JOURNALS, !is_first && self.source != record.source);
        self.source = record.source;
        let attempt = 1_u32 << u32::from(record.attempt.min(31));
        match record.event {
            Event::Invoke => {
                let is_other = self.fingerprint != record.fingerprint || self.nonce != record.nonce;
                self.odd.set(Oddities::FINGERPRINT, self.attempts > 0 && is_other);
                (self.fingerprint, self.nonce, self.class) = (record.fingerprint, record.nonce, record.class);
                self.begun |= attempt;
                count(&mut self.attempts);
            }
            Event::Resolved => self.push_resolved(record),
            event => {
                let is_shared = record.attempt >= 31;
                self.odd.set(Oddities::ENDED_TWICE, self.ended & attempt != 0 && !is_shared);
                self.odd.set(Oddities::NOT_BEGUN, self.begun & attempt == 0);
                self.ended |= attempt;
                match event {
                    Event::Ok => self.push_ok(record),
                    Event::Fail => count(&mut self.fails),
                    _ => {
                        if record.reason == Reason::Unmarked {
                            count(&mut self.unmarked);
                        }
                        count(&mut self.infos);
                    }
                }
            }
        }
    }

    fn push_ok(&mut self, record: &Compact) {
        self.odd.set(Oddities::RESULTS_DIFFER, self.oks > 0 && self.ok_hash != record.hash);
        self.odd.set(Oddities::NONCE, self.nonce != record.nonce);
        (self.ok_hash, self.ok_epoch) = (record.hash, record.epoch);
        self.replayed |= record.replayed;
        self.fresh = self.fresh.saturating_add(u8::from(!record.replayed));
        count(&mut self.oks);
    }

    fn push_resolved(&mut self, record: &Compact) {
        self.odd.set(Oddities::NOT_BEGUN, self.attempts == 0);
        let place = Settled::ALL.iter().position(|(_, reason, _)| *reason == record.reason);
        self.told |= place.map_or(0, |place| 1 << place);
        if record.reason == Reason::Done {
            self.resolved_hash = record.hash;
            self.odd.set(Oddities::NONCE, record.nonce != 0 && self.nonce != record.nonce);
        }
    }

    fn push_stored(&mut self, record: &Compact) {
        let event = record.event;
        if event != Event::Fenced {
            self.odd.set(Oddities::PRINCIPALS, self.is_principal_known && self.principal != record.principal);
            (self.principal, self.is_principal_known) = (record.principal, true);
        }
        if record.fingerprint != 0 {
            let is_other = self.is_store_fingerprint_known && self.store_fingerprint != record.fingerprint;
            self.odd.set(Oddities::FINGERPRINT, is_other);
            (self.store_fingerprint, self.is_store_fingerprint_known) = (record.fingerprint, true);
        }
        let writes = matches!(event, Event::Accepted | Event::Started | Event::Done);
        let is_settled_otherwise = self.kept & !bit(Settled::Done) != 0;
        self.odd.set(Oddities::AFTER_TOMBSTONE, writes && is_settled_otherwise);
        self.odd.set(Oddities::AFTER_DONE, writes && event != Event::Done && self.is_kept(Settled::Done));
        self.odd.set(Oddities::FENCED_WRITE, writes && record.is_fenced);
        let is_claims = self.claim == Some(record.epoch);
        match event {
            Event::Accepted => {
                self.odd.set(Oddities::FENCED_WRITE, self.claim.is_some() && !is_claims);
                self.claim = Some(record.epoch);
                count(&mut self.accepted);
            }
            Event::Started => {
                self.odd.set(Oddities::FENCED_WRITE, !is_claims);
                self.odd.set(Oddities::STARTED_AGAIN, self.started > 0);
                count(&mut self.started);
            }
            Event::Done => {
                self.odd.set(Oddities::FENCED_WRITE, !is_claims);
                self.odd.set(Oddities::DONE_CHANGED, self.done > 0 && self.done_hash != record.hash);
                (self.done_hash, self.done_epoch) = (record.hash, record.epoch);
                count(&mut self.done);
            }
            Event::Fenced if is_claims => self.claim = None,
            Event::Effect => {
                self.effect_epoch = record.epoch;
                count(&mut self.effects);
            }
            _ => {}
        }
        let place = Settled::ALL.iter().position(|(_, _, settles)| *settles == event);
        self.kept |= place.map_or(0, |place| 1 << place);
    }

    pub(super) fn fate(&self) -> Fate {
        let first = Settled::ALL.iter().zip(0..).find(|(_, place)| self.told & (1 << place) != 0);
        match first {
            _ if self.attempts == 0 => Fate::NotOurs,
            _ if self.oks > 0 => Fate::Ok,
            _ if self.has_failed() => Fate::Failed,
            Some(((settled, _, _), _)) => Fate::Resolved(*settled),
            None => Fate::Unresolved,
        }
    }

    /// Every attempt ended in a fail.
    pub(super) fn has_failed(&self) -> bool {
        self.attempts > 0 && self.oks == 0 && self.infos == 0 && self.begun == self.ended
    }

    pub(super) fn attempts(&self) -> u64 {
        u64::from(self.attempts)
    }

    /// What its client's journal is, by its place among the inputs.
    pub(super) fn source(&self) -> u16 {
        self.source
    }

    /// The store was asked, and has said this.
    pub(super) fn is_told(&self, as_this: Settled) -> bool {
        self.told & bit(as_this) != 0
    }

    /// The store was asked, and has settled it in more than one way.
    pub(super) fn is_told_twice(&self) -> bool {
        self.told.count_ones() > 1
    }

    /// The store has a row that says this.
    pub(super) fn is_kept(&self, as_this: Settled) -> bool {
        self.kept & bit(as_this) != 0
    }

    /// The store has an outcome of some kind.
    pub(super) fn has_outcome(&self) -> bool {
        self.kept != 0
    }

    /// The store has anything of it at all.
    pub(super) fn is_in_store(&self) -> bool {
        self.accepted > 0 || self.started > 0 || self.kept != 0 || self.effects > 0
    }

    /// The store has another payload for it than its client has sent.
    pub(super) fn has_other_payload(&self) -> bool {
        let differs = self.is_store_fingerprint_known && self.store_fingerprint != self.fingerprint;
        self.odd.has(Oddities::FINGERPRINT) || (self.attempts > 0 && differs)
    }

    /// More attempts were ended by a 5xx that does not say whether they were executed than claims can have been theirs:
    /// some were refused so.
    pub(super) fn is_refused_unmarked(&self) -> bool {
        self.unmarked > self.accepted.saturating_sub(self.fresh)
    }

    /// The tool was begun. A claim of a transactional one that was taken away has left nothing, begun or not: it may have come
    /// so late that its client was refused.
    pub(super) fn is_run(&self) -> bool {
        self.started > 0 && !(self.is_transactional() && self.claim.is_none())
    }

    /// Its effect may be once at most.
    pub(super) fn is_once(&self) -> bool {
        matches!(self.class, Class::Once | Class::Transactional | Class::Unknown)
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.class == Class::Transactional
    }
}

fn bit(settled: Settled) -> u8 {
    Settled::ALL.iter().position(|(known, _, _)| *known == settled).map_or(0, |place| 1 << place)
}

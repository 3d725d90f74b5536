//! What a principal uses, and how much of it it may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::Limits;
use crate::metrics::{PrincipalFigures, Share};

/// How much one principal may have on one process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) requests_max: u64,
    pub(crate) streams_max: u64,
    pub(crate) sessions_max: u64,
    pub(crate) session_s: u64,
}

impl Quota {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            requests_max: limits.principal_requests_max,
            streams_max: limits.principal_streams_max,
            sessions_max: limits.principal_sessions_max,
            session_s: (limits.session_lifetime_ms / 1_000).max(1),
        }
    }
}

/// A count that begins anew with each span of time: the span's number above, the count below.
#[derive(Debug, Default)]
struct Windowed(AtomicU64);

impl Windowed {
    /// False where there were as many in this span.
    fn add(&self, span: u64, max: u64) -> bool {
        let span = span & 0xffff_ffff;
        let add = |was: u64| {
            let count = if was >> 32 == span { was & 0xffff_ffff } else { 0 };
            (count < max.min(0xffff_fffe)).then_some(span << 32 | (count + 1))
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    fn count(&self, span: u64) -> u64 {
        let now = self.0.load(Ordering::Relaxed);
        if now >> 32 == span & 0xffff_ffff { now & 0xffff_ffff } else { 0 }
    }

    fn subtract(&self, span: u64) {
        let span = span & 0xffff_ffff;
        let less = |was: u64| (was >> 32 == span && was & 0xffff_ffff > 0).then(|| was - 1);
        // One of an earlier span is forgotten already.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// What one principal uses of this process.
#[derive(Debug, Default)]
pub(crate) struct Account {
    requests: Windowed,
    sessions: Windowed,
    streams: AtomicU64,
}

impl Account {
    /// A request more in this second. False where there were too many.
    pub(crate) fn request(&self, quota: &Quota, now_s: u64) -> bool {
        self.requests.add(now_s, quota.requests_max)
    }

    /// A session more. Sessions that were not ended count for the span of a session's life in which they began.
    pub(crate) fn session(&self, quota: &Quota, now_s: u64) -> bool {
        self.sessions.add(now_s / quota.session_s, quota.sessions_max)
    }

    /// One of them, which began at `began_s`, has ended.
    pub(crate) fn session_ended(&self, quota: &Quota, began_s: u64) {
        self.sessions.subtract(began_s / quota.session_s);
    }

    /// Raises each share to what is used here, where that is more.
    pub(super) fn raise(&self, figures: &mut PrincipalFigures, quota: &Quota, now_s: u64) {
        let raise = |share: &mut Share, used: u64| share.most = share.most.max(used);
        raise(&mut figures.requests, self.requests.count(now_s));
        raise(&mut figures.streams, self.streams.load(Ordering::Relaxed));
        raise(&mut figures.sessions, self.sessions.count(now_s / quota.session_s));
    }

    /// A place for a stream, which is given back when it is dropped; its token is good until `until_s`, seconds since 1970.
    pub(crate) fn stream(self: &Arc<Self>, quota: &Quota, until_s: u64) -> Option<StreamPlace> {
        let add = |open: u64| (open < quota.streams_max).then_some(open + 1);
        self.streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        Some(StreamPlace { account: Arc::clone(self), until_s })
    }
}

/// One of a principal's streams.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    account: Arc<Account>,
    /// When its token ends, seconds since 1970.
    pub(crate) until_s: u64,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.account.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_holds_and_comes_back() {
        let quota = Quota { requests_max: 2, streams_max: 1, sessions_max: 1, session_s: 10 };
        let account = Arc::new(Account::default());
        let at_once: Vec<bool> = (0..3).map(|_| account.request(&quota, 5)).collect();
        assert_eq!(at_once, [true, true, false]);
        assert!(account.request(&quota, 6), "the next second");
        assert!(account.session(&quota, 10) && !account.session(&quota, 19));
        account.session_ended(&quota, 19);
        assert!(account.session(&quota, 19) && !account.session(&quota, 19) && account.session(&quota, 20));
        account.session_ended(&quota, 19);
        assert!(!account.session(&quota, 29), "one of the span before makes no room in this one");
        let place = account.stream(&quota, 9).expect("there is room");
        let mut figures = PrincipalFigures { sessions: Share { most: 7, max: 9 }, ..PrincipalFigures::default() };
        account.raise(&mut figures, &quota, 6);
        assert_eq!((figures.requests.most, figures.streams.most, figures.sessions.most), (1, 1, 7));
        account.raise(&mut figures, &quota, 7);
        assert_eq!(figures.requests.most, 1, "another one had more");
        assert!(account.stream(&quota, 9).is_none());
        drop(place);
        assert!(account.stream(&quota, 9).is_some());
    }
}

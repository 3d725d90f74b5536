//! Is a replica still there? What one agent can tell from its own connections.
//!
//! The rules, for one endpoint:
//! - *Blocked* (no new connections go there): a connect or a first request failed. Open connections stay.
//! - *Incident*: an open connection was lost. It passes when a request that was written after the loss is answered:
//!   a server that closes one connection is not dead. Losses of the same second still belong to it, for a replica
//!   that is back within milliseconds answers while the resets of its former life are still being read.
//! - *Broken*: half of the connections or more are lost within an incident, three or more of them, or all.
//! - *Down*: (a) broken, with three or more lost; or (b) three lost or none left,
//!   and a check (a connection of its own with one request) fails, or gets no answer for 500 ms; or (c) three or
//!   more requests have been unanswered for 500 ms and nothing was answered meanwhile, a check that was sent after
//!   250 ms included, so that a slow tool does not condemn its server; or (d) a connection ended by
//!   TCP_USER_TIMEOUT and there was no answer for 500 ms. (c) and (d), and the others while connections are left,
//!   hold only where there is another endpoint to go to. What has passed takes nothing down; where it was broken
//!   it is an episode all the same.
//! - A blocked or lost endpoint is checked every 250 ms and is back when a check is answered.
//! - Time in which the agent itself stood still is no silence of the endpoint's: see [`Health::forgive`].

use erlmcp_record::names::episode;

/// Requests unanswered at once that make silence suspicious.
const UNANSWERED_MIN: u32 = 3;
/// Silence after which an endpoint is given up.
const SILENCE_US: u64 = 500_000;
/// Silence after which it is checked.
const SUSPICION_US: u64 = 250_000;
/// Losses that belong together.
const INCIDENT_US: u64 = 1_000_000;
/// Losses without an answer between them that make an incident grave.
const LOST_MIN: u32 = 3;
/// Between two checks of an endpoint that is blocked or lost.
const CHECK_EVERY_US: u64 = 250_000;
/// A check is given up after so long: where an endpoint is suspected, where it is known to be lost, and, every
/// eighth time, long enough for a slow server.
const CHECK_US: u64 = 600_000;
const CHECK_LOST_US: u64 = 250_000;
const CHECK_LONG_US: u64 = 1_500_000;

/// How an agent found out that a replica is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Reset,
    Unanswered,
    UserTimeout,
}

impl How {
    /// As in the record.
    pub(crate) fn name(self) -> &'static str {
        match self {
            How::Reset => episode::RESET,
            How::Unanswered => episode::UNANSWERED,
            How::UserTimeout => episode::USER_TIMEOUT,
        }
    }
}

/// What is to be done about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Nothing,
    /// Ask it on a connection of its own.
    Check,
    /// Stop using it.
    Down(How),
}

/// Lost connections that may be the beginning of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incident {
    pub(crate) id: u32,
    pub(crate) began_us: u64,
    pub(crate) lost: u32,
    /// Connections that were open when it began.
    had: u32,
    user_timeout: bool,
    passed: bool,
}

impl Incident {
    fn new(id: u32, began_us: u64, had: u32) -> Self {
        Self { id, began_us, lost: 0, had, user_timeout: false, passed: false }
    }

    fn is_broken(&self) -> bool {
        (self.lost >= LOST_MIN && 2 * self.lost >= self.had) || (self.lost > 0 && self.lost >= self.had)
    }
}

/// What the engine knows beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    pub(crate) now_us: u64,
    /// Open connections to this endpoint.
    pub(crate) open: u32,
    /// Another endpoint can be used.
    pub(crate) elsewhere: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    None,
    Sent { at_us: u64 },
    Failed { at_us: u64, silent: bool },
}

/// One endpoint's health.
#[derive(Debug)]
pub(crate) struct Health {
    unanswered: u32,
    /// Since when three or more requests have been unanswered and nothing was answered.
    silent_since_us: u64,
    answered_us: u64,
    blocked: bool,
    down: bool,
    incident: Option<Incident>,
    check: Check,
    next_check_us: u64,
    checks_failed: u32,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self {
            unanswered: 0,
            silent_since_us: 0,
            answered_us: 0,
            blocked: false,
            down: false,
            incident: None,
            check: Check::None,
            next_check_us: 0,
            checks_failed: 0,
        }
    }

    /// True where new connections may go there.
    pub(crate) fn is_eligible(&self) -> bool {
        !self.blocked && !self.down
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down
    }

    /// The incident that has not passed.
    pub(crate) fn incident(&self) -> Option<Incident> {
        self.incident.filter(|incident| !incident.passed)
    }

    /// The incident that has passed and had broken the endpoint: it was lost for a moment.
    pub(crate) fn broken(&self) -> Option<Incident> {
        self.incident.filter(|incident| incident.passed && incident.is_broken())
    }

    /// A request was written.
    pub(crate) fn wrote(&mut self, now_us: u64) {
        self.unanswered += 1;
        if self.unanswered == UNANSWERED_MIN {
            self.silent_since_us = now_us;
        }
    }

    /// The answer to a request came that was written at `written_us`. True where an incident passes with it.
    pub(crate) fn answered(&mut self, now_us: u64, written_us: u64) -> bool {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.heard(now_us);
        let Some(incident) = &mut self.incident else { return false };
        let passes = !incident.passed && !self.down && written_us > incident.began_us;
        incident.passed |= passes;
        passes
    }

    /// The endpoint has spoken: it is not silent.
    pub(crate) fn heard(&mut self, now_us: u64) {
        self.silent_since_us = now_us;
        self.answered_us = now_us;
    }

    /// A request was given up, or its connection was lost.
    pub(crate) fn ended_unanswered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// An open connection was lost, and `left` are open still. `next_incident` is the number of a new incident.
    /// Answers with the number of the incident that this loss belongs to.
    pub(crate) fn lost(&mut self, now_us: u64, user_timeout: bool, next_incident: u32, left: u32) -> u32 {
        let new = Incident::new(next_incident, now_us, left + 1);
        let incident = self.incident.get_or_insert(new);
        if !self.down && now_us > incident.began_us + INCIDENT_US {
            *incident = new;
        }
        incident.lost += 1;
        incident.user_timeout |= user_timeout;
        incident.id
    }

    /// A connection could not be opened there.
    pub(crate) fn refused(&mut self, now_us: u64) {
        if !self.blocked {
            self.blocked = true;
            self.next_check_us = now_us;
        }
    }

    /// A new connection's first request was answered.
    pub(crate) fn opened(&mut self) {
        if !self.down {
            self.blocked = false;
        }
    }

    pub(crate) fn check_sent(&mut self, now_us: u64) {
        self.check = Check::Sent { at_us: now_us };
        self.next_check_us = now_us + CHECK_EVERY_US;
    }

    pub(crate) fn check_answered(&mut self, now_us: u64) {
        self.check = Check::None;
        self.checks_failed = 0;
        self.blocked = false;
        // Of what was given up no reset comes any more.
        if std::mem::take(&mut self.down) {
            self.incident = None;
        }
        if let Some(incident) = &mut self.incident {
            incident.passed = true;
        }
        self.heard(now_us);
    }

    /// `silent`: nothing came; else it was refused, reset or closed.
    pub(crate) fn check_failed(&mut self, now_us: u64, silent: bool) {
        self.check = Check::Failed { at_us: now_us, silent };
        self.checks_failed = self.checks_failed.saturating_add(1);
        self.next_check_us = self.next_check_us.max(now_us);
    }

    /// How long the next check may take.
    pub(crate) fn check_timeout_us(&self) -> u64 {
        match (self.blocked || self.down, self.checks_failed % 8) {
            (false, _) => CHECK_US,
            (true, 7) => CHECK_LONG_US,
            (true, _) => CHECK_LOST_US,
        }
    }

    /// We have not listened for so long, until now: that does not count as silence.
    pub(crate) fn forgive(&mut self, by_us: u64, now_us: u64) {
        let later = |us: u64| us.saturating_add(by_us).min(now_us);
        self.silent_since_us = later(self.silent_since_us);
        self.answered_us = later(self.answered_us);
        if let Check::Sent { at_us } = &mut self.check {
            let began_us = self.incident.map_or(0, |incident| incident.began_us);
            *at_us = later((*at_us).max(began_us));
        }
    }

    /// The endpoint is not to be used any more.
    pub(crate) fn set_down(&mut self, now_us: u64, next_incident: u32) -> Incident {
        let incident = self.incident().unwrap_or(Incident::new(next_incident, now_us, 0));
        self.incident = Some(incident);
        self.down = true;
        self.blocked = true;
        self.unanswered = 0;
        self.next_check_us = self.next_check_us.max(now_us);
        incident
    }

    /// True where time alone can change the verdict.
    pub(crate) fn is_watched(&self) -> bool {
        self.blocked || self.down || self.incident().is_some() || self.unanswered >= UNANSWERED_MIN
    }

    pub(crate) fn judge(&self, around: Around) -> Verdict {
        if let Some(how) = self.is_lost(around) {
            return Verdict::Down(how);
        }
        let is_idle = !matches!(self.check, Check::Sent { .. });
        let is_wanted = self.blocked || self.down || self.is_suspect(around);
        if is_idle && is_wanted && around.now_us >= self.next_check_us { Verdict::Check } else { Verdict::Nothing }
    }

    fn is_lost(&self, around: Around) -> Option<How> {
        if self.down {
            return None;
        }
        let may_leave = around.elsewhere || around.open == 0;
        if let Some(incident) = self.incident().filter(|_| may_leave) {
            if incident.lost >= LOST_MIN && incident.is_broken() {
                return Some(How::Reset);
            }
            if self.is_grave(incident, around)
                && let Some(how) = self.check_says(incident, around.now_us)
            {
                return Some(how);
            }
            if incident.user_timeout && around.now_us >= self.answered_us + SILENCE_US {
                return Some(How::UserTimeout);
            }
        }
        let is_silent = self.silence_us(around.now_us) >= SILENCE_US;
        (around.elsewhere && is_silent).then_some(How::Unanswered)
    }

    /// What a check since the incident began has shown against the endpoint.
    fn check_says(&self, incident: Incident, now_us: u64) -> Option<How> {
        match self.check {
            Check::Failed { at_us, silent: false } if at_us >= incident.began_us => Some(How::Reset),
            Check::Failed { at_us, silent: true } if at_us >= incident.began_us + SILENCE_US => Some(How::Unanswered),
            Check::Sent { at_us } if now_us >= at_us.max(incident.began_us) + SILENCE_US => Some(How::Unanswered),
            _ => None,
        }
    }

    fn is_grave(&self, incident: Incident, around: Around) -> bool {
        around.open == 0 || incident.lost >= LOST_MIN
    }

    fn is_suspect(&self, around: Around) -> bool {
        let grave = self.incident().is_some_and(|incident| self.is_grave(incident, around) || incident.user_timeout);
        grave || (around.elsewhere && self.silence_us(around.now_us) >= SUSPICION_US)
    }

    /// How long three or more requests have been unanswered; 0 where fewer are.
    fn silence_us(&self, now_us: u64) -> u64 {
        if self.unanswered < UNANSWERED_MIN { 0 } else { now_us.saturating_sub(self.silent_since_us) }
    }
}

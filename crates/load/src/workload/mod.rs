//! A workload: what clients do, each in sessions of one step or more.

mod value;
mod walks;

use std::sync::Arc;

use erlmcp_protocol::client::gaps::{Gap, Gapped};

use crate::proto;
use crate::random::Random;

pub(crate) use value::Value;
pub(crate) use walks::{Walk, Walks};

/// Steps and sessions of a workload, at most.
const STEPS_MAX: usize = 4_096;
/// Keeps the draws of one request apart.
const THINK: u64 = u16::MAX as u64;

/// One request of a session.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) template: Gapped,
    /// What it is counted as, from 1.
    pub(crate) class: u8,
    /// Before it, drawn between these two, microseconds.
    pub(crate) think_us: (u64, u64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    weight: u32,
    first: u16,
    steps: u16,
}

/// A recorded trace.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) times: Arc<[u64]>,
    pub(crate) period_us: u64,
    sessions: Arc<[u32]>,
}

/// A workload, rendered for the target.
#[derive(Debug)]
pub(crate) struct Workload {
    steps: Box<[Step]>,
    sessions: Box<[Session]>,
    values: Box<[Value]>,
    pub(crate) recorded: Option<Recorded>,
    weights: u64,
    seed: u64,
    agent: u32,
}

/// Why a workload cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadWorkload {
    #[error("the agent was given a workload that does not hold together ({0}): use agents of this version")]
    Shape(&'static str),
    #[error("the workload's {label} cannot be sent: {why}")]
    Step { label: String, why: String },
}

impl Workload {
    /// `render` makes the template of each step.
    pub(crate) fn new(
        workload: &proto::Workload,
        (seed, agent): (u64, u32),
        render: impl Fn(&proto::Request) -> Result<Gapped, BadWorkload>,
    ) -> Result<Self, BadWorkload> {
        if workload.steps.len() > STEPS_MAX || workload.sessions.len() > STEPS_MAX {
            return Err(BadWorkload::Shape("too many steps"));
        }
        let step = |step: &proto::Step| {
            let request = step.request.as_ref().ok_or(BadWorkload::Shape("a step without a request"))?;
            let class = u8::try_from(step.class).map_err(|_| BadWorkload::Shape("too many classes"))?;
            let think_us = (step.think_min_us, step.think_max_us.max(step.think_min_us));
            Ok(Step { template: render(request)?, class, think_us })
        };
        let session = |session: &proto::Session| {
            let end = u64::from(session.first) + u64::from(session.steps);
            let is_good = session.steps > 0 && end <= workload.steps.len() as u64;
            let good = Session { weight: session.weight, first: session.first as u16, steps: session.steps as u16 };
            is_good.then_some(good).ok_or(BadWorkload::Shape("a session beyond the steps"))
        };
        let sessions = workload.sessions.iter().map(session).collect::<Result<Box<[Session]>, _>>()?;
        let weights = sessions.iter().map(|session| u64::from(session.weight)).sum();
        if weights == 0 {
            return Err(BadWorkload::Shape("no session has a weight"));
        }
        Ok(Self {
            steps: workload.steps.iter().map(step).collect::<Result<_, _>>()?,
            values: workload
                .values
                .iter()
                .map(Value::new)
                .collect::<Option<_>>()
                .ok_or(BadWorkload::Shape("a value"))?,
            recorded: workload.trace.as_ref().map(|trace| recorded(trace, sessions.len())).transpose()?,
            sessions,
            weights,
            // Of the agent alone: nothing else of a purpose can then reach its bits.
            seed: Random::new(seed, (1 << 63) | u64::from(agent)).next(),
            agent,
        })
    }

    /// Requests of a session, the mean.
    pub(crate) fn mean_steps(&self) -> f64 {
        let sum: u64 = self.sessions.iter().map(|session| u64::from(session.weight) * u64::from(session.steps)).sum();
        sum as f64 / self.weights as f64
    }

    /// The longest time from the begin of a session to its last step.
    pub(crate) fn longest_us(&self) -> u64 {
        let of = |session: &Session| self.steps_of(*session).iter().map(|step| step.think_us.1).sum();
        self.sessions.iter().map(of).max().unwrap_or(0)
    }

    fn steps_of(&self, session: Session) -> &[Step] {
        &self.steps[usize::from(session.first)..][..usize::from(session.steps)]
    }

    /// Which session the client begins at arrival `at` of the recorded trace.
    pub(crate) fn recorded(&self, at: u64) -> u16 {
        let of = |recorded: &Recorded| recorded.sessions[(at % recorded.sessions.len() as u64) as usize] as u16;
        self.recorded.as_ref().map_or(0, of)
    }

    /// Which session the one with this number is, by the weights.
    pub(crate) fn drawn(&self, number: u32) -> u16 {
        let mut left = self.random(number, 0).below(self.weights);
        for (index, session) in (0u16..).zip(&self.sessions) {
            match left.checked_sub(u64::from(session.weight)) {
                Some(rest) => left = rest,
                None => return index,
            }
        }
        0
    }

    /// Random numbers of one session, kept apart by what they are for.
    fn random(&self, number: u32, what: u64) -> Random {
        Random::new(self.seed, (what << 32) | u64::from(number))
    }

    /// The step after `walk`'s last one; None after its last one of all.
    pub(crate) fn next(&self, walk: &Walk) -> Option<Walk> {
        let session = self.sessions[usize::from(walk.session)];
        let position = walk.position;
        if position >= session.steps {
            return None;
        }
        let index = session.first + position;
        let (from, to) = self.steps[usize::from(index)].think_us;
        let think_us = from + self.random(walk.number, THINK ^ (u64::from(index) << 16)).below(to - from + 1);
        Some(Walk { at_us: walk.at_us + think_us, position: position + 1, ..*walk })
    }

    /// The step that `walk` stands before, and what it is counted as.
    pub(crate) fn step_of(&self, walk: &Walk) -> (u16, u8) {
        let index = self.sessions[usize::from(walk.session)].first + walk.position.saturating_sub(1);
        (index, self.steps[usize::from(index)].class)
    }

    /// Appends the request of a step.
    pub(crate) fn write(&self, (step, session): (u16, u32), id: u64, members: &str, out: &mut Vec<u8>) {
        let mut fill = |gap: Gap, out: &mut Vec<u8>| {
            let Some(value) = self.values.get(usize::from(gap.value)) else { return };
            let of_step = if value.of_session { 0 } else { u64::from(step) + 1 };
            let mut random = self.random(session, (of_step << 16) ^ (u64::from(gap.value) + 1));
            let number = (u64::from(self.agent) << 44) | (u64::from(session) << 12) | u64::from(step);
            value.write(&mut random, number, gap.whole, out);
        };
        if let Some(step) = self.steps.get(usize::from(step)) {
            step.template.write(id, members, &mut fill, out);
        }
    }
}

fn recorded(trace: &proto::Trace, sessions: usize) -> Result<Recorded, BadWorkload> {
    // A trace of fewer requests than there are agents leaves some of them without any.
    let is_good = trace.after_us.len() == trace.sessions.len()
        && trace.sessions.iter().all(|session| (*session as usize) < sessions);
    if !is_good {
        return Err(BadWorkload::Shape("a trace beyond the sessions"));
    }
    let mut at_us = 0;
    let times = trace.after_us.iter().map(|after_us| {
        at_us += after_us;
        at_us
    });
    Ok(Recorded { times: times.collect(), period_us: trace.period_us, sessions: trace.sessions.as_slice().into() })
}

#[cfg(test)]
pub(crate) mod tests;

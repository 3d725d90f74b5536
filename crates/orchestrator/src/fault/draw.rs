use std::collections::BTreeMap;
use std::time::Duration;

use super::dice::Dice;
use super::file::{Choice, FaultList, Targets};
use super::{Fault, Kind, Needs};

/// A fault of a run's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub fault: Fault,
    pub when: When,
    /// Why it will not be injected; None where it will.
    pub skip: Option<String>,
}

/// The moment of a planned fault. It waits besides until the load is steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long after there is room for one more.
    After(Duration),
    /// So long after the load began.
    At(Duration),
}

/// Draws of a list at most, however long a run is.
const DRAWN_MAX: usize = 10_000;
/// A replica that ends more often than five times in half a minute is given up by an erlmcp cluster: that would be
/// another fault than the one that was drawn.
const DEATHS_MAX: u64 = 4;
const DEATHS_WITHIN: Duration = Duration::from_secs(30);
/// Choices that are thrown away for that, before a fault without deaths is taken.
const TRIES: u32 = 20;

/// What there is to break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Numbers of all replicas.
    pub replicas: Vec<u16>,
    /// Those that the fault proxy stands in front of.
    pub fronted: Vec<u16>,
    /// Those that the driver does not hold, and so cannot break.
    pub elsewhere: Vec<u16>,
    /// Kinds that cannot be done here, with the reason.
    pub lacks: BTreeMap<Kind, String>,
}

impl Field {
    /// Replicas that can be broken.
    pub fn held(&self) -> Vec<u16> {
        self.replicas.iter().copied().filter(|replica| !self.elsewhere.contains(replica)).collect()
    }

    /// Why these cannot all be broken; None: they can.
    pub fn unheld(&self, replicas: &[u16]) -> Option<String> {
        let one = replicas.iter().find(|replica| self.elsewhere.contains(replica))?;
        Some(format!("the driver does not hold replica {one}"))
    }
}

/// The faults of `duration`, in their order: from the list's timetable, or drawn by `seed`. The same list, replicas and
/// seed give the same faults, whatever the machine permits.
pub fn draw(list: &FaultList, field: &Field, duration: Duration, seed: u64) -> Vec<Planned> {
    let mut dice = Dice::new(seed ^ 0xFA17);
    let is_timetable = list.is_timetable();
    let mut drawn = if is_timetable {
        list.choices.iter().map(|choice| timed(choice, field, &mut dice)).collect()
    } else {
        by_weight(list, field, duration, &mut dice)
    };
    if is_timetable {
        drawn.sort_by_key(|planned: &Planned| match planned.when {
            When::At(at) | When::After(at) => at,
        });
    }
    for planned in &mut drawn {
        planned.skip = skip(&planned.fault, field);
    }
    drawn
}

/// One fault of each kind: as the list has it, else with the kind's own amounts; each so long after the one before. The
/// replicas are taken in turn from one that the seed draws, so that none is broken twice where there are enough of them.
pub fn one_of_each(list: &FaultList, field: &Field, gap: Duration, seed: u64) -> Vec<Planned> {
    let mut dice = Dice::new(seed ^ 0x0E4C);
    let held = field.held();
    let mut turn = dice.below(held.len().max(1) as u64) as usize;
    let mut planned: Vec<Planned> = Vec::new();
    let mut add = |fault: Fault| {
        let is_there = planned.iter().any(|other| other.fault.kind == fault.kind && other.fault.name() == fault.name());
        if !is_there {
            planned.push(Planned { skip: skip(&fault, field), fault, when: When::After(gap) });
        }
        !is_there
    };
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Command);
    let listed = list.choices.iter().map(|choice| fault(choice, field, &mut dice));
    for mut fault in listed.chain(kinds.map(|kind| Fault::of(kind, Vec::new()))) {
        fault.replicas = match fault.kind {
            Kind::Command => fault.replicas,
            kind if kind.is_of_store() || kind.is_of_clients() => Vec::new(),
            kind if kind.is_of_all() => field.replicas.clone(),
            _ => held.get(turn % held.len().max(1)).copied().into_iter().collect(),
        };
        if fault.kind.needs() == Needs::Proxy {
            fronted(&mut fault.replicas, &field.fronted);
        }
        turn += usize::from(add(fault));
    }
    planned
}

fn timed(choice: &Choice, field: &Field, dice: &mut Dice) -> Planned {
    let when = When::At(choice.at.unwrap_or_default());
    Planned { fault: fault(choice, field, dice), when, skip: None }
}

fn by_weight(list: &FaultList, field: &Field, duration: Duration, dice: &mut Dice) -> Vec<Planned> {
    let mut drawn = Vec::new();
    let mut ends = Ends::default();
    let mut first = first_round(list, dice);
    let (mut at, mut quiet) = (Duration::ZERO, Duration::ZERO);
    while at < duration && drawn.len() < DRAWN_MAX {
        let gap = gap(list, dice);
        at += gap;
        quiet += gap;
        let Some(fault) = next(list, &mut first, field, (&ends, at), dice) else {
            // Everything that may be drawn would kill too often now.
            continue;
        };
        ends.note(&fault, at);
        // With several at once the next one does not wait for the end of this one.
        at += if list.at_once == 1 { fault.hold } else { Duration::ZERO };
        drawn.push(Planned { fault, when: When::After(std::mem::take(&mut quiet)), skip: None });
    }
    drawn
}

/// Each entry of the list once, in an order that is drawn: so that no kind is left to chance where there is time for all.
fn first_round<'a>(list: &'a FaultList, dice: &mut Dice) -> Vec<&'a Choice> {
    let mut left: Vec<&Choice> = list.choices.iter().collect();
    let mut round = Vec::new();
    while !left.is_empty() {
        round.push(left.swap_remove(dice.below(left.len() as u64) as usize));
    }
    round
}

/// The next of the first round that is bearable now, then by weight; None: nothing is bearable.
fn next(
    list: &FaultList,
    first: &mut Vec<&Choice>,
    field: &Field,
    (ends, at): (&Ends, Duration),
    dice: &mut Dice,
) -> Option<Fault> {
    for place in 0..first.len() {
        let fault = fault(first[place], field, dice);
        if ends.bears(&fault, at) {
            first.remove(place);
            return Some(fault);
        }
    }
    let tries = (0..TRIES).map(|_| fault(choose(&list.choices, dice), field, dice));
    tries.into_iter().find(|fault| ends.bears(fault, at))
}

fn gap(list: &FaultList, dice: &mut Dice) -> Duration {
    let (from, to) = (list.gap.0.as_millis() as u64, list.gap.1.as_millis() as u64);
    // Never nothing: the plan has an end.
    Duration::from_millis((from + dice.below(to.saturating_sub(from) + 1)).max(1))
}

fn choose<'a>(choices: &'a [Choice], dice: &mut Dice) -> &'a Choice {
    let all: u64 = choices.iter().map(|choice| u64::from(choice.weight)).sum();
    let mut thrown = dice.below(all);
    for choice in choices {
        match thrown.checked_sub(u64::from(choice.weight)) {
            Some(left) => thrown = left,
            None => return choice,
        }
    }
    &choices[0]
}

fn fault(choice: &Choice, field: &Field, dice: &mut Dice) -> Fault {
    let (all, held) = (&field.replicas, field.held());
    // Where too few are held it is skipped for that.
    let mut some = |count: usize| dice.some(if count <= held.len() { &held } else { all }, count);
    let mut replicas = match &choice.targets {
        _ if choice.kind.is_of_store() || choice.kind.is_of_clients() => Vec::new(),
        Targets::These(replicas) => replicas.clone(),
        _ if choice.kind.is_of_all() => all.clone(),
        Targets::Count(count) => some(usize::from(*count)),
        Targets::Half => some((all.len() / 2).max(1)),
        Targets::All => all.clone(),
        Targets::None => Vec::new(),
    };
    if choice.kind.needs() == Needs::Proxy && !matches!(choice.targets, Targets::These(_)) {
        fronted(&mut replicas, &field.fronted);
    }
    let (kind, amount, hold) = (choice.kind, choice.amount, choice.hold);
    Fault { kind, replicas, amount, hold, command: choice.command.clone() }
}

/// What was drawn is drawn wherever the proxy stands; one that it does not stand in front of is another one then.
fn fronted(replicas: &mut Vec<u16>, fronted: &[u16]) {
    for replica in replicas.iter_mut().filter(|replica| !fronted.contains(replica)) {
        *replica = fronted.get(usize::from(*replica) % fronted.len().max(1)).copied().unwrap_or(*replica);
    }
    replicas.sort_unstable();
    replicas.dedup();
}

fn skip(fault: &Fault, field: &Field) -> Option<String> {
    if let Some(unknown) = fault.replicas.iter().find(|replica| !field.replicas.contains(replica)) {
        return Some(format!("there is no replica {unknown}"));
    }
    let lack = field.lacks.get(&fault.kind).cloned();
    let bare = || fault.replicas.iter().find(|replica| !field.fronted.contains(replica));
    let unfronted = || {
        let replica = bare().filter(|_| fault.kind.needs() == Needs::Proxy)?;
        Some(format!("the fault proxy does not stand in front of replica {replica}"))
    };
    lack.or_else(unfronted).or_else(|| field.unheld(&fault.replicas))
}

/// When processes of replicas were meant to end, by replica.
#[derive(Debug, Default)]
struct Ends(BTreeMap<u16, Vec<(Duration, u64)>>);

impl Ends {
    fn bears(&self, fault: &Fault, at: Duration) -> bool {
        let more = fault.kind.deaths(fault.amount);
        let recent = |replica: &u16| {
            let all = self.0.get(replica).into_iter().flatten();
            all.filter(|(then, _)| at.saturating_sub(*then) < DEATHS_WITHIN).map(|(_, deaths)| deaths).sum::<u64>()
        };
        more == 0 || fault.replicas.iter().all(|replica| recent(replica) + more <= DEATHS_MAX)
    }

    fn note(&mut self, fault: &Fault, at: Duration) {
        let deaths = fault.kind.deaths(fault.amount);
        for replica in fault.replicas.iter().filter(|_| deaths > 0) {
            let all = self.0.entry(*replica).or_default();
            all.retain(|(then, _)| at.saturating_sub(*then) < DEATHS_WITHIN);
            all.push((at, deaths));
        }
    }
}

#[cfg(test)]
mod tests;

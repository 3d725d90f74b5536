//! Were operations exposed to the faults at all? Counted while the journals are read, in any order.

use erlmcp_record::FaultRow;
use erlmcp_record::names::scenario;
use erlmcp_record::operations::{Class, Event, OperationRecord};

use super::evaluate::ByOperation;
use crate::Analysis;

/// A fault whose effect was observed, in CLOCK_MONOTONIC nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct FaultSpan {
    pub(super) id: u32,
    pub(super) what: String,
    /// Those whose answers show nothing of what it left: its targets, where they do not serve on.
    pub(super) replicas: Vec<u16>,
    /// It left enough of the cluster for operations to go on.
    pub(super) leaves_enough: bool,
    pub(super) injected_ns: u64,
    pub(super) effect_ns: u64,
    /// When nothing of it was left; None where that was not seen.
    pub(super) over_ns: Option<u64>,
}

impl FaultSpan {
    /// All of a run, by their start.
    pub(super) fn all(analysis: &Analysis) -> Vec<Self> {
        let base_ns = analysis.header.as_ref().map_or(0, |header| header.monotonic_base_ns);
        let mut all: Vec<Self> = analysis.faults.values().filter_map(|row| Self::of(row, base_ns)).collect();
        all.sort_by_key(|fault| (fault.injected_ns, fault.id));
        all
    }

    fn of(row: &FaultRow, base_ns: u64) -> Option<Self> {
        let ns = |us: u64| base_ns.saturating_add(us.saturating_mul(1_000));
        let over = row.ready_us.max(row.heal_verified_us).max(row.healed_us);
        Some(Self {
            id: row.id,
            what: match row.targets().as_slice() {
                [] => row.method.clone(),
                [replica] => format!("{}, replica {replica}", row.method),
                [first, more @ ..] => format!("{}, replica {first} and {} more", row.method, more.len()),
            },
            // Where another process takes the target's place nothing is to be lost, and no replica is out.
            replicas: if row.expected.lossless { Vec::new() } else { row.targets() },
            // One node always does; those of a list say so, of what needs no store.
            leaves_enough: [scenario::NODE_FAILURE, scenario::NETWORK_PARTITION].contains(&row.scenario.as_str())
                || (row.expected.progress && !row.is_of_store()),
            injected_ns: ns(row.injected_us),
            effect_ns: ns(row.effect_us?),
            over_ns: over.map(ns),
        })
    }
}

/// In a fault that is over sooner an operation may or may not have ended: by default 50 are begun in this time, and each of
/// them may take as long.
const BRIEF_NS: u64 = 100_000_000;

impl FaultSpan {
    /// It was over before an operation had to fall in it.
    pub(super) fn is_brief(&self) -> bool {
        self.over_ns.is_some_and(|over_ns| over_ns.saturating_sub(self.effect_ns) < BRIEF_NS)
    }

    /// Until then operations may meet its beginning: which of them are there at one instant is a matter of chance.
    fn started_ns(&self) -> u64 {
        self.effect_ns.saturating_add(BRIEF_NS)
    }
}

/// Of the attempts that are begun in this time on the run's average, a tenth has to be in flight when a fault begins.
const IN_FLIGHT_NS: u64 = BRIEF_NS / 10;

/// A fault whose end was not seen is watched for so long.
const WATCHED_NS: u64 = 60_000_000_000;

/// A client gives an attempt up after so long: it may take a second to connect, and two each to send and to wait.
const ATTEMPT_NS: u64 = 5_000_000_000;
/// Attempts under way that are kept, at most: of more it is not known when they ended.
const OPEN_MAX: usize = 1 << 20;

const CLASSES: usize = Class::ALL.len();
type ByClass = [u64; CLASSES];

/// What was seen around each fault. A record may count for all earlier or all later faults: it is counted once, at the
/// nearest, and summed up at the end.
#[derive(Debug, Clone)]
pub(super) struct Exposure {
    /// Places of the faults by when they were injected (as they are), had begun, and were over.
    by_start: Vec<(u64, usize)>,
    by_over: Vec<(u64, usize)>,
    /// Attempts begun until the fault had lasted for a tenth of a second: at the first one by its effect that they count for.
    begun: Vec<u64>,
    /// Attempts that ended before the injection, and those of them that were ok.
    ended: Vec<u64>,
    /// When the attempts of the journal that is being read began that have not ended, by operation.
    open: ByOperation<u64>,
    before: Vec<ByClass>,
    during: Vec<ByClass>,
    /// At the last fault by its end that they count for.
    after: Vec<ByClass>,
    classes: [bool; CLASSES],
    longest_ns: u64,
    attempts: u64,
    /// When the first of them began, and the last one.
    first_ns: u64,
    last_ns: u64,
}

/// What one fault found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Around {
    pub(super) in_flight: u64,
    /// Ok answers by class; during: to attempts that ran while it lasted, of replicas that it was not on. None: its end was not seen.
    pub(super) before: ByClass,
    pub(super) during: ByClass,
    pub(super) after: Option<ByClass>,
}

impl Exposure {
    pub(super) fn of(faults: &[FaultSpan]) -> Self {
        let mut by_start: Vec<_> = faults.iter().map(FaultSpan::started_ns).zip(0..).collect();
        by_start.sort_unstable();
        let mut by_over: Vec<_> = faults.iter().zip(0..).filter_map(|(fault, at)| Some((fault.over_ns?, at))).collect();
        by_over.sort_unstable();
        let longest = faults.iter().map(|fault| until_ns(fault).saturating_sub(fault.injected_ns)).max();
        Self {
            begun: vec![0; faults.len()],
            ended: vec![0; faults.len()],
            open: ByOperation::default(),
            before: vec![ByClass::default(); faults.len()],
            during: vec![ByClass::default(); faults.len()],
            after: vec![ByClass::default(); by_over.len()],
            by_start,
            by_over,
            classes: [false; CLASSES],
            longest_ns: longest.unwrap_or(0),
            attempts: 0,
            first_ns: u64::MAX,
            last_ns: 0,
        }
    }

    /// Counts one record of a client.
    pub(super) fn push(&mut self, faults: &[FaultSpan], record: &OperationRecord) {
        let (at_ns, class) = (record.at_ns, record.class as usize);
        match record.event {
            Event::Invoke => {
                self.classes[class] = true;
                self.attempts += 1;
                (self.first_ns, self.last_ns) = (self.first_ns.min(at_ns), self.last_ns.max(at_ns));
                let first = self.by_start.partition_point(|(started_ns, _)| *started_ns < at_ns);
                self.begun.get_mut(first).into_iter().for_each(|begun| *begun += 1);
                if !faults.is_empty() && self.open.len() < OPEN_MAX {
                    self.open.insert(record.operation.0, at_ns);
                }
            }
            Event::Ok | Event::Fail | Event::Info => {
                let begun_ns = self.open.remove(&record.operation.0).unwrap_or(at_ns);
                let later = faults.partition_point(|fault| fault.injected_ns <= at_ns);
                let is_ok = record.event == Event::Ok;
                if later < faults.len() {
                    self.ended[later] += 1;
                    self.before[later][class] += u64::from(is_ok);
                }
                if is_ok {
                    self.push_ok(&faults[..later], record, begun_ns);
                }
            }
            _ => {}
        }
    }

    /// A journal was read. Attempts of it without an end, whose agent died, are over when their client would have given them up.
    pub(super) fn end_journal(&mut self, faults: &[FaultSpan]) {
        for (_, begun_ns) in self.open.drain() {
            let later = faults.partition_point(|fault| fault.injected_ns <= begun_ns.saturating_add(ATTEMPT_NS));
            self.ended.get_mut(later).into_iter().for_each(|ended| *ended += 1);
        }
    }

    /// An ok answer to an attempt that ran during, or came after, the faults that were injected before it.
    fn push_ok(&mut self, injected: &[FaultSpan], record: &OperationRecord, begun_ns: u64) {
        let (at_ns, class) = (record.at_ns, record.class as usize);
        let from = injected.partition_point(|fault| fault.injected_ns < begun_ns.saturating_sub(self.longest_ns));
        for (place, fault) in injected.iter().enumerate().skip(from) {
            let is_during = fault.effect_ns <= at_ns && begun_ns < until_ns(fault);
            if is_during && !fault.replicas.contains(&record.replica) {
                self.during[place][class] += 1;
            }
        }
        let over = self.by_over.partition_point(|(over_ns, _)| *over_ns <= at_ns);
        if let Some(last) = over.checked_sub(1) {
            self.after[last][class] += 1;
        }
    }

    /// Adds what another thread has counted.
    pub(super) fn merge(&mut self, other: &Self) {
        let add = |into: &mut [u64], from: &[u64]| into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
        add(&mut self.begun, &other.begun);
        add(&mut self.ended, &other.ended);
        let all =
            [(&mut self.before, &other.before), (&mut self.during, &other.during), (&mut self.after, &other.after)];
        for (into, from) in all {
            into.iter_mut().zip(from).for_each(|(into, from)| add(into, from));
        }
        self.classes.iter_mut().zip(other.classes).for_each(|(into, from)| *into |= from);
        self.attempts += other.attempts;
        self.first_ns = self.first_ns.min(other.first_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
    }

    /// Attempts that have to be in flight when a fault begins, so that it shows anything: in proportion to their rate, and one at least.
    pub(super) fn in_flight_min(&self) -> u64 {
        let span_ns = self.last_ns.saturating_sub(self.first_ns).max(1);
        let share = u128::from(self.attempts) * u128::from(IN_FLIGHT_NS) / u128::from(span_ns);
        // In less time than that no rate can be told.
        if span_ns < BRIEF_NS { 1 } else { share.max(1) as u64 }
    }

    /// The classes of which anything was attempted.
    pub(super) fn classes(&self) -> impl Iterator<Item = Class> + '_ {
        Class::ALL.into_iter().filter(|class| self.classes[*class as usize])
    }

    /// What each fault found, in the order of the faults.
    pub(super) fn around(&self) -> Vec<Around> {
        let mut begun = vec![0; self.begun.len()];
        let mut sum = 0;
        for (place, (_, fault)) in self.by_start.iter().enumerate() {
            sum += self.begun[place];
            begun[*fault] = sum;
        }
        let mut after = vec![None; self.begun.len()];
        let mut sum = ByClass::default();
        for (place, (_, fault)) in self.by_over.iter().enumerate().rev() {
            sum.iter_mut().zip(self.after[place]).for_each(|(sum, more)| *sum += more);
            after[*fault] = Some(sum);
        }
        let (mut ended, mut before) = (0, ByClass::default());
        let one = |fault: usize| {
            ended += self.ended[fault];
            before.iter_mut().zip(self.before[fault]).for_each(|(sum, more)| *sum += more);
            let in_flight = begun[fault].saturating_sub(ended);
            Around { in_flight, before, during: self.during[fault], after: after[fault] }
        };
        (0..self.begun.len()).map(one).collect()
    }
}

fn until_ns(fault: &FaultSpan) -> u64 {
    fault.over_ns.unwrap_or_else(|| fault.effect_ns.saturating_add(WATCHED_NS))
}

#[cfg(test)]
mod tests {
    use erlmcp_record::operations::OperationId;

    use super::*;

    fn fault(id: u32, times: [u64; 2], over_ns: Option<u64>) -> FaultSpan {
        let [injected_ns, effect_ns] = times;
        FaultSpan {
            id,
            what: "a fault".into(),
            replicas: vec![1],
            leaves_enough: true,
            injected_ns,
            effect_ns,
            over_ns,
        }
    }

    #[test]
    fn what_a_fault_leaves_depends_on_the_fault() {
        let leaves_enough = |scenario: &str, kind: &str, progress: bool| {
            let expected = erlmcp_record::Expected { progress, ..Default::default() };
            let (scenario, kind) = (scenario.into(), kind.into());
            let row = FaultRow { scenario, kind, expected, effect_us: Some(1), ..FaultRow::default() };
            FaultSpan::of(&row, 0).expect("it has an effect").leaves_enough
        };
        assert!(leaves_enough(scenario::NODE_FAILURE, "", false));
        assert!(leaves_enough(scenario::FAULTS, "kill", true) && !leaves_enough(scenario::FAULTS, "kill", false));
        assert!(!leaves_enough(scenario::ALL_AT_ONCE, "kill", false));
        assert!(!leaves_enough(scenario::FAULTS, "store_full", true), "plain requests go on, operations do not");
        let row = FaultRow { replica: Some(2), replicas: vec![2, 3], effect_us: Some(1), ..FaultRow::default() };
        assert_eq!(FaultSpan::of(&row, 0).expect("it has an effect").what, ", replica 2 and 1 more");
    }

    #[test]
    fn a_fault_is_brief_below_a_tenth_of_a_second() {
        let lasting = |ns: u64| fault(1, [100, 120], Some(120 + ns));
        assert!(lasting(0).is_brief() && lasting(BRIEF_NS - 1).is_brief() && !lasting(BRIEF_NS).is_brief());
        assert!(!fault(1, [100, 120], None).is_brief(), "nobody saw its end");
    }

    #[test]
    fn where_another_process_takes_the_place_every_replica_serves_on() {
        let of = |lossless: bool| {
            let expected = erlmcp_record::Expected { lossless, ..Default::default() };
            let row = FaultRow {
                replica: Some(1),
                replicas: vec![1, 2],
                expected,
                effect_us: Some(1),
                ..FaultRow::default()
            };
            FaultSpan::of(&row, 0).expect("it has an effect")
        };
        assert_eq!((of(false).replicas, of(true).replicas), (vec![1, 2], Vec::new()));
        assert_eq!(of(true).what, ", replica 1 and 1 more");
    }

    #[test]
    fn what_was_there_around_each_fault_is_counted() {
        // All in hundredths of a second.
        const UNIT_NS: u64 = 10_000_000;
        let faults = [
            fault(1, [100 * UNIT_NS, 120 * UNIT_NS], Some(200 * UNIT_NS)),
            fault(2, [300 * UNIT_NS, 310 * UNIT_NS], None),
        ];
        let record = |event, at: u64, replica| OperationRecord {
            replica,
            class: Class::Once,
            ..OperationRecord::new(event, OperationId(1), at * UNIT_NS)
        };
        let records = [
            record(Event::Invoke, 10, 1),
            record(Event::Ok, 20, 1),
            record(Event::Invoke, 90, 1),
            record(Event::Invoke, 110, 2),
            record(Event::Invoke, 130, 2),
            record(Event::Info, 130, 1),
            record(Event::Invoke, 131, 2),
            record(Event::Ok, 150, 2),
            record(Event::Ok, 160, 1),
            record(Event::Ok, 250, 1),
            record(Event::Ok, 320, 2),
        ];
        let (mut one, mut other) = (Exposure::of(&faults), Exposure::of(&faults));
        records.iter().enumerate().for_each(|(at, record)| {
            if at % 2 == 0 {
                one.push(&faults, record)
            } else {
                other.push(&faults, record)
            };
        });
        one.merge(&other);
        let around = one.around();
        let once = Class::Once as usize;
        assert_eq!(around[0].in_flight, 3, "those from 90 and 110, and the one that met its first tenth of a second");
        assert_eq!((around[0].before[once], around[0].during[once]), (1, 1));
        assert_eq!(around[0].after.map(|after| after[once]), Some(2));
        assert_eq!((around[1].in_flight, around[1].before[once], around[1].during[once]), (0, 4, 1));
        assert_eq!(around[1].after, None);
        assert_eq!(one.classes().collect::<Vec<_>>(), [Class::Once]);
    }

    #[test]
    fn what_must_be_in_flight_grows_with_the_rate() {
        let faults = [fault(1, [0, 0], None)];
        let min = |attempts: u64, over_ns: u64| {
            let (mut one, mut other) = (Exposure::of(&faults), Exposure::of(&faults));
            for number in 0..attempts {
                let invoke =
                    OperationRecord::new(Event::Invoke, OperationId(number.into()), number * over_ns / attempts);
                if number % 3 == 0 { one.push(&faults, &invoke) } else { other.push(&faults, &invoke) }
            }
            one.merge(&other);
            one.in_flight_min()
        };
        let second_ns = 1_000_000_000;
        assert_eq!([min(0, second_ns), min(1, second_ns), min(50, second_ns)], [1, 1, 1]);
        assert_eq!([min(500, second_ns), min(15_000, 10 * second_ns)], [5, 15]);
        assert_eq!(min(500, 1_000), 1, "in a moment nothing is told of a rate");
    }

    /// The store may pause for longer than a fault lasts: what ran during it shows as much when it ends a little later.
    #[test]
    fn an_attempt_that_ran_during_a_fault_may_end_after_it() {
        let faults = [fault(1, [100, 120], Some(200)), fault(2, [300, 320], Some(400))];
        let mut exposure = Exposure::of(&faults);
        for (event, at_ns) in [(Event::Invoke, 190), (Event::Ok, 210), (Event::Invoke, 220), (Event::Ok, 310)] {
            let record = OperationRecord { replica: 2, ..OperationRecord::new(event, OperationId(1), at_ns) };
            exposure.push(&faults, &record);
        }
        let during: Vec<u64> = exposure.around().iter().map(|around| around.during.iter().sum()).collect();
        assert_eq!(during, [1, 0], "the second had ended before the effect");
    }

    /// An agent died with an attempt under way: it is in flight for as long as its client would have waited, and no longer.
    #[test]
    fn an_attempt_without_an_end_is_not_in_flight_for_ever() {
        let begun_ns = 1_000;
        let faults = [ATTEMPT_NS, ATTEMPT_NS + 1].map(|after_ns| fault(1, [begun_ns + after_ns; 2], None));
        let mut exposure = Exposure::of(&faults);
        exposure.push(&faults, &OperationRecord::new(Event::Invoke, OperationId(1), begun_ns));
        exposure.end_journal(&faults);
        assert_eq!(exposure.around().iter().map(|around| around.in_flight).collect::<Vec<_>>(), [1, 0]);
    }
}

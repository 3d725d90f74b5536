//! One mistake each, made in a correct history: it is found, under the right invariant, with the operation as witness.

use erlmcp_record::Fate;
use erlmcp_record::operations::{Event, OperationId, OperationRecord, Reason};
use erlmcp_report::audit::{Audit, AuditVerdict, text};

use super::history::{History, Plan};
use super::{audited, invariant, violated, witness};

fn history() -> History {
    History::of(Plan { operations: 800, kills: 4, refused: 40, lost: 8, unanswered: 8, ..Plan::new(5) })
}

/// The first client's record that fits, by agent and place.
fn told(history: &History, event: Event, fits: impl Fn(&OperationRecord) -> bool) -> (usize, usize) {
    let mut all = history.told(event).into_iter();
    all.find(|(agent, at)| fits(&history.agents[*agent][*at])).expect("there is one")
}

fn operation(history: &History, (agent, at): (usize, usize)) -> OperationId {
    history.agents[agent][at].operation
}

/// An operation that was answered ok at once.
fn plain_ok(history: &History) -> (usize, usize) {
    told(history, Event::Ok, |ok| ok.attempt == 1 && !ok.replayed)
}

fn has(history: &History, operation: OperationId, event: Event) -> bool {
    history.of_operation(operation).iter().any(|record| record.event == event)
}

/// The places of all clients' records of an operation.
fn records_of(history: &History, operation: OperationId) -> Vec<(usize, usize)> {
    let of = |(agent, records): (usize, &Vec<OperationRecord>)| {
        let all = records.iter().enumerate().filter(|(_, record)| record.operation == operation);
        all.map(|(at, _)| (agent, at)).collect::<Vec<_>>()
    };
    history.agents.iter().enumerate().flat_map(of).collect()
}

/// An operation of which every attempt failed.
fn failed(history: &History) -> OperationId {
    let is_failed = |fail: &OperationRecord| {
        let events: Vec<Event> = records_of(history, fail.operation)
            .into_iter()
            .map(|(agent, at)| history.agents[agent][at].event)
            .collect();
        !events.contains(&Event::Ok) && !events.contains(&Event::Info)
    };
    operation(history, told(history, Event::Fail, is_failed))
}

/// Exactly this invariant is violated, once, in this way, and the operation is its witness.
fn found(history: &History, id: &str, operation: OperationId, words: &str) -> Audit {
    let audit = audited(history);
    assert_eq!(audit.verdict, AuditVerdict::Invalid, "{}", text(&audit));
    assert_eq!(violated(&audit), [id], "{}", text(&audit));
    let violated = invariant(&audit, id);
    assert_eq!(violated.violations, 1, "{}", text(&audit));
    assert!(violated.found.iter().any(|found| found.what.contains(words) && found.count == 1), "{}", text(&audit));
    let witness = witness(&audit, id, &operation.to_string());
    let all = records_of(history, operation).len() + history.of_operation(operation).len();
    let shown = witness.records.iter().filter(|record| record.journal != "run").count();
    assert_eq!(shown, all, "all records of the operation are its witness: {}", text(&audit));
    assert!(witness.records.is_sorted_by_key(|record| record.at_us));
    audit
}

/// (a) The server answers before its write is durable, and dies.
#[test]
fn an_answer_before_the_write() {
    let mut history = history();
    let of = operation(&history, plain_ok(&history));
    history.store.retain(|record| record.operation != of || !matches!(record.event, Event::Done | Event::Effect));
    let audit = found(&history, "I3", of, "answered ok, and no result is stored");
    insta::assert_snapshot!(text(&audit));
}

/// (b) One result is dropped.
#[test]
fn a_dropped_result() {
    let mut history = history();
    let of = operation(&history, told(&history, Event::Resolved, |record| record.reason == Reason::Done));
    history.store.retain(|record| record.operation != of || record.event != Event::Done);
    found(&history, "I3", of, "told that it is done, and no result is stored");
}

/// (c) A retry is run a second time.
#[test]
fn a_retry_that_ran_twice() {
    let mut history = history();
    let of = operation(&history, told(&history, Event::Ok, |ok| ok.replayed));
    let last = history.store.iter().filter(|record| record.operation == of).map(|record| record.at_ns).max();
    let again: Vec<OperationRecord> = history
        .of_operation(of)
        .into_iter()
        .filter(|record| matches!(record.event, Event::Effect | Event::Done))
        .collect();
    let at = history.store.partition_point(|record| Some(record.at_ns) <= last);
    for record in again.into_iter().rev() {
        history.store.insert(at, OperationRecord { at_ns: last.expect("it is stored") + 1, ..record });
    }
    let audit = found(&history, "I4", of, "took effect more than once");
    assert!(text(&audit).contains("it was run twice"), "{}", text(&audit));
}

#[test]
fn a_duplicated_effect() {
    let mut history = history();
    let at = history.stored(Event::Effect)[7];
    let effect = history.store[at];
    history.store.insert(at + 1, OperationRecord { at_ns: effect.at_ns + 1, ..effect });
    found(&history, "I4", effect.operation, "took effect more than once");
}

#[test]
fn a_lost_effect() {
    let mut history = history();
    let at = history.stored(Event::Effect)[7];
    let effect = history.store.remove(at);
    found(&history, "I4", effect.operation, "the effect log has no effect of it");
}

/// (d) Two clients get each other's answers.
#[test]
fn swapped_answers() {
    let mut history = history();
    let oks = history.told(Event::Ok);
    let (one, other) = (oks[3], oks[40]);
    let (a, b) = (history.agents[one.0][one.1], history.agents[other.0][other.1]);
    let swap = |to: &mut OperationRecord, from: OperationRecord| {
        (to.hash, to.nonce, to.epoch) = (from.hash, from.nonce, from.epoch)
    };
    swap(&mut history.agents[one.0][one.1], b);
    swap(&mut history.agents[other.0][other.1], a);
    let audit = audited(&history);
    assert_eq!(violated(&audit), ["I2"], "{}", text(&audit));
    assert_eq!(invariant(&audit, "I2").violations, 2);
    for of in [a.operation, b.operation] {
        witness(&audit, "I2", &of.to_string());
    }
    assert!(text(&audit).contains("2 x its answer echoes the nonce of another request"), "{}", text(&audit));
}

#[test]
fn another_result_than_the_stored_one() {
    let mut history = history();
    let (agent, at) = plain_ok(&history);
    history.agents[agent][at].hash ^= 1;
    let of = operation(&history, (agent, at));
    found(&history, "I2", of, "another result than the one that is stored");
}

/// (e) The server says never, and has written no tombstone.
#[test]
fn never_without_a_tombstone() {
    let mut history = history();
    let of = operation(&history, told(&history, Event::Resolved, |record| record.reason == Reason::Never));
    history.store.retain(|record| record.operation != of || record.event != Event::Never);
    let audit = audited(&history);
    assert!(violated(&audit).contains(&"I6"), "{}", text(&audit));
    let witness = witness(&audit, "I6", &of.to_string());
    assert!(witness.what.contains("no tombstone"), "{}", text(&audit));
}

/// (e) ... and a late copy takes effect.
#[test]
fn never_and_then_an_effect() {
    let mut history = history();
    let is_plain = |record: &OperationRecord| {
        record.reason == Reason::Never
            && !has(&history, record.operation, Event::Accepted)
            && record.operation != failed(&history)
    };
    let of = operation(&history, told(&history, Event::Resolved, is_plain));
    let never = history.store.iter().position(|record| record.operation == of).expect("a tombstone");
    let tombstone = history.store[never];
    let (agent, invoke) = records_of(&history, of)[0];
    let fingerprint = history.agents[agent][invoke].fingerprint;
    for (place, event) in [Event::Accepted, Event::Started, Event::Effect, Event::Done].into_iter().enumerate() {
        let record =
            OperationRecord { event, fingerprint, at_ns: tombstone.at_ns + place as u64 + 1, hash: 0, ..tombstone };
        history.store.insert(never + 1 + place, record);
    }
    let audit = audited(&history);
    assert!(violated(&audit).contains(&"I6"), "{}", text(&audit));
    witness(&audit, "I6", &of.to_string());
    assert!(text(&audit).contains("1 x it was run again after the store had settled it"), "{}", text(&audit));
    assert!(text(&audit).contains("1 x its client was told that it did not happen, and it did"), "{}", text(&audit));
}

/// (f) A replica writes after its epoch was fenced.
#[test]
fn a_write_after_fencing() {
    let mut history = history();
    let at = history.stored(Event::Fenced)[0];
    let fenced = history.store[at];
    let done = OperationRecord { event: Event::Done, at_ns: fenced.at_ns + 1, hash: 77, ..fenced };
    history.store.insert(at + 1, done);
    let audit = audited(&history);
    assert!(violated(&audit).contains(&"I2"), "{}", text(&audit));
    let witness = witness(&audit, "I2", &fenced.operation.to_string());
    assert!(witness.records.iter().any(|record| record.says.starts_with("FENCED")), "{}", text(&audit));
    assert!(text(&audit).contains("an epoch wrote it that did not hold its claim any more"), "{}", text(&audit));
}

#[test]
fn a_write_after_the_whole_epoch_was_fenced() {
    let mut history = history();
    let at = history.stored(Event::Done)[20];
    let done = history.store[at];
    let fence =
        OperationRecord { epoch: done.epoch, ..OperationRecord::new(Event::Fenced, OperationId::NONE, done.at_ns - 1) };
    history.store.insert(at, fence);
    let later =
        history.store[at + 2..].iter().any(|record| record.epoch == done.epoch && record.event != Event::Effect);
    let audit = audited(&history);
    assert_eq!(violated(&audit), ["I2"], "{}", text(&audit));
    assert!(invariant(&audit, "I2").violations > u64::from(later), "{}", text(&audit));
}

/// (g) Refusals that do not say so.
#[test]
fn a_refusal_without_its_marker() {
    let mut history = history();
    // Of one that was done later, and of one that never was.
    let is_fresh = |ok: &&OperationRecord| ok.event == Event::Ok && !ok.replayed;
    let fresh: Vec<OperationId> = history
        .agents
        .iter()
        .flatten()
        .filter(is_fresh)
        .map(|ok| ok.operation)
        .filter(|of| !has(&history, *of, Event::Fenced))
        .collect();
    let of_ok = told(&history, Event::Fail, |fail| fresh.contains(&fail.operation));
    let of_failed = told(&history, Event::Fail, |fail| fail.operation == failed(&history));
    let has_tombstone = has(&history, failed(&history), Event::Never);
    for (agent, at) in [of_ok, of_failed] {
        let record = &mut history.agents[agent][at];
        (record.event, record.reason) = (Event::Info, Reason::Unmarked);
    }
    let audit = audited(&history);
    let expected: &[&str] = if has_tombstone { &["I7"] } else { &["I6", "I7"] };
    assert_eq!(violated(&audit), expected, "{}", text(&audit));
    assert_eq!(invariant(&audit, "I7").violations, 2, "{}", text(&audit));
    for of in [of_ok, of_failed] {
        witness(&audit, "I7", &operation(&history, of).to_string());
    }
}

#[test]
fn refusals_that_nobody_was_told_of() {
    let mut history = history();
    history.refused_by_server = 100_000;
    history.requests.push((Fate::Refused, 40));
    let audit = audited(&history);
    assert_eq!(violated(&audit), ["I7"], "{}", text(&audit));
    assert!(text(&audit).contains("100,000 requests refused by the server"), "{}", text(&audit));
}

/// What the store refused says nothing of the queue: it cannot stand for what the queue dropped.
#[test]
fn refusals_of_the_store_do_not_hide_silent_ones_of_the_queue() {
    let mut history = history();
    let refusals = history.told(Event::Fail);
    for (agent, at) in &refusals {
        history.agents[*agent][*at].reason = Reason::RefusedElsewhere;
    }
    assert_eq!(audited(&history).verdict, AuditVerdict::Valid);
    let unknown = history.told(Event::Info).len();
    history.refused_by_server = (refusals.len().min(unknown + 1) + unknown) as u64;
    assert!(refusals.len() > 1 && history.refused_by_server > unknown as u64);
    let audit = audited(&history);
    assert_eq!(violated(&audit), ["I7"], "{}", text(&audit));
}

#[test]
fn a_fail_that_took_effect() {
    let mut history = history();
    let of = failed(&history);
    let (agent, invoke) = records_of(&history, of)[0];
    let invoke = history.agents[agent][invoke];
    history.store.retain(|record| record.operation != of);
    history.agents[agent].retain(|record| record.operation != of || record.event != Event::Resolved);
    let at = history.store.partition_point(|record| record.at_ns < invoke.at_ns);
    for (place, event) in [Event::Accepted, Event::Started, Event::Effect, Event::Done].into_iter().enumerate() {
        let record = OperationRecord::new(event, of, invoke.at_ns + place as u64);
        let (fingerprint, principal) = (invoke.fingerprint, 9);
        let hash = if event == Event::Done { 5 } else { 0 };
        history
            .store
            .insert(at + place, OperationRecord { fingerprint, principal, hash, epoch: 1, replica: 1, ..record });
    }
    let audit = found(&history, "I5", of, "said to have done nothing, and it took effect");
    assert!(text(&audit).contains("said to have done nothing, and it was started"), "{}", text(&audit));
}

#[test]
fn one_that_is_not_resolved() {
    let mut history = history();
    let (agent, at) = told(&history, Event::Resolved, |record| record.reason == Reason::Done);
    let of = history.agents[agent].remove(at).operation;
    found(&history, "I6", of, "still not known");
}

#[test]
fn one_that_was_accepted_and_has_no_outcome() {
    let mut history = history();
    let is_fenced =
        |record: &OperationRecord| record.reason == Reason::Never && has(&history, record.operation, Event::Fenced);
    let of = operation(&history, told(&history, Event::Resolved, is_fenced));
    history.store.retain(|record| record.operation != of || record.event != Event::Never);
    let audit = audited(&history);
    assert_eq!(violated(&audit), ["I3", "I6"], "{}", text(&audit));
    assert!(witness(&audit, "I3", &of.to_string()).what.contains("has no outcome"), "{}", text(&audit));
}

#[test]
fn one_that_no_client_has_begun() {
    let mut history = history();
    let of = operation(&history, plain_ok(&history));
    history.agents.iter_mut().for_each(|records| records.retain(|record| record.operation != of));
    found(&history, "I1", of, "no client has begun it");
}

#[test]
fn one_in_two_journals() {
    let mut history = history();
    let (agent, at) = plain_ok(&history);
    let of = operation(&history, (agent, at));
    let copies: Vec<OperationRecord> =
        history.agents[agent].iter().filter(|record| record.operation == of).copied().collect();
    history.agents[(agent + 1) % 3].extend(copies);
    let audit = audited(&history);
    assert!(violated(&audit).contains(&"I1"), "{}", text(&audit));
    assert!(text(&audit).contains("1 x two agents have it in their journals"), "{}", text(&audit));
}

#[test]
fn a_dropped_record_of_a_client() {
    for event in [Event::Invoke, Event::Ok] {
        let mut history = history();
        let (agent, at) = plain_ok(&history);
        let of = operation(&history, (agent, at));
        history.agents[agent].retain(|record| record.operation != of || record.event != event);
        let (id, words) =
            if event == Event::Invoke { ("I1", "without having begun") } else { ("I6", "still not known") };
        let audit = audited(&history);
        assert!(violated(&audit).contains(&id), "{}", text(&audit));
        assert!(witness(&audit, id, &of.to_string()).what.contains(words), "{}", text(&audit));
    }
}

/// Each changes one number of one record of an operation that was done at once.
#[test]
fn numbers_that_do_not_fit() {
    type Change = fn(&mut OperationRecord);
    let of_clients: [(Change, &str); 2] = [
        (|ok| ok.epoch += 1, "names an epoch that has not stored it"),
        (|ok| ok.nonce ^= 1, "echoes the nonce of another request"),
    ];
    for (change, words) in of_clients {
        let mut history = history();
        let (agent, at) = plain_ok(&history);
        change(&mut history.agents[agent][at]);
        found(&history, "I2", operation(&history, (agent, at)), words);
    }
    let of_store: [(Event, Change, &str); 5] = [
        (Event::Done, |done| done.principal = 8, "two principals have it"),
        (Event::Accepted, |accepted| accepted.fingerprint ^= 2, "another payload"),
        (Event::Done, |done| done.hash ^= 1, "another result"),
        (Event::Started, |started| started.epoch += 1, "did not hold its claim"),
        (Event::Effect, |effect| effect.epoch += 1, "did not hold its claim"),
    ];
    for (event, change, words) in of_store {
        let mut history = history();
        let of = operation(&history, plain_ok(&history));
        let at = history.store.iter().position(|record| record.operation == of && record.event == event);
        change(&mut history.store[at.expect("it is stored")]);
        found(&history, "I2", of, words);
    }
}

/// By the epoch that had it before, as no other may.
#[test]
fn a_settled_one_that_is_claimed_again() {
    let was_fenced_once = |history: &History, never: &OperationRecord| {
        let fences = history.of_operation(never.operation).iter().filter(|one| one.event == Event::Fenced).count();
        let mut all = records_of(history, never.operation).into_iter();
        fences == 1 && all.any(|(agent, at)| history.agents[agent][at].event == Event::Info)
    };
    for (settled, resolved) in [(Event::Cancelled, Reason::Cancelled), (Event::Expired, Reason::Expired)] {
        let mut history = history();
        let (agent, at) = told(&history, Event::Resolved, |record| {
            record.reason == Reason::Never && was_fenced_once(&history, record)
        });
        let of = operation(&history, (agent, at));
        history.agents[agent][at].reason = resolved;
        history.store.retain(|record| record.operation != of || record.event != Event::Fenced);
        let at = history.store.iter().position(|record| record.operation == of && record.event == Event::Never);
        let never = at.expect("a tombstone");
        let started = history.store.iter().rfind(|record| record.operation == of && record.event == Event::Started);
        let claim = OperationRecord { at_ns: history.store[never].at_ns + 1, ..*started.expect("it was run") };
        history.store[never].event = settled;
        assert_eq!(violated(&audited(&history)), [] as [&str; 0]);
        history.store.insert(never + 1, OperationRecord { event: Event::Accepted, ..claim });
        history.store.insert(never + 2, claim);
        found(&history, "I6", of, "run again after the store had settled it");
    }
    let mut history = history();
    let of = operation(&history, plain_ok(&history));
    let at = history.store.iter().position(|record| record.operation == of && record.event == Event::Done);
    let done = history.store[at.expect("done")];
    let accepted = OperationRecord { event: Event::Accepted, hash: 0, at_ns: done.at_ns + 1, ..done };
    history.store.insert(at.expect("done") + 1, accepted);
    found(&history, "I4", of, "started again");
}

#[test]
fn a_result_that_was_changed() {
    let mut history = history();
    let of = operation(&history, plain_ok(&history));
    let at =
        history.store.iter().position(|record| record.operation == of && record.event == Event::Done).expect("done");
    let done = history.store[at];
    history.store.insert(at, OperationRecord { hash: done.hash ^ 1, ..done });
    found(&history, "I2", of, "its stored result was changed");
}

#[test]
fn a_transactional_one_that_is_indeterminate() {
    let mut history = history();
    let (agent, at) = told(&history, Event::Resolved, |record| record.reason == Reason::Never);
    history.agents[agent][at].reason = Reason::Indeterminate;
    let of = operation(&history, (agent, at));
    let never = history.store.iter_mut().find(|record| record.operation == of && record.event == Event::Never);
    never.expect("a tombstone").event = Event::Indeterminate;
    found(&history, "I6", of, "indeterminate");
}

#[test]
fn ok_and_never() {
    let mut history = history();
    let (agent, at) = plain_ok(&history);
    let ok = history.agents[agent][at];
    let never = OperationRecord::new(Event::Resolved, ok.operation, ok.at_ns + 1);
    history.agents[agent].insert(at + 1, OperationRecord { reason: Reason::Never, ..never });
    let audit = audited(&history);
    assert_eq!(violated(&audit), ["I6"], "{}", text(&audit));
    assert!(text(&audit).contains("answered ok, and the store says that it did not happen"), "{}", text(&audit));
}

#[test]
fn an_answer_that_nothing_had_asked_for() {
    let mut history = history();
    history.surplus_answers = 2;
    let audit = audited(&history);
    assert_eq!(violated(&audit), ["I9"], "{}", text(&audit));
    assert_eq!(invariant(&audit, "I9").violations, 2);
}

#[test]
fn an_operation_that_got_an_answer_to_something_else() {
    let mut history = history();
    let (agent, at) = told(&history, Event::Info, |info| info.reason == Reason::TimedOut);
    history.agents[agent][at].reason = Reason::NotAnAnswer;
    let audit = audited(&history);
    assert_eq!(violated(&audit), ["I9"], "{}", text(&audit));
    assert_eq!(invariant(&audit, "I9").violations, 1);
}

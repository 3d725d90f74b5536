//! Whatever dies, a correct history is valid.

use erlmcp_record::operations::{Event, OperationRecord};
use erlmcp_report::audit::{AuditLimits, AuditVerdict, text};
use proptest::prelude::*;

use super::history::{History, Plan};
use super::{audited, audited_within, violated};

fn plans() -> impl Strategy<Value = Plan> {
    (any::<u64>(), 1..150_u64, 2..4_usize, 1..5_u64, [0..40_u64, 0..20, 0..20]).prop_map(
        |(seed, operations, agents, kills, [refused, lost, unanswered])| Plan {
            operations,
            agents,
            kills,
            refused,
            lost,
            unanswered,
            ..Plan::new(seed)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_correct_history_is_valid(plan in plans()) {
        let audit = audited(&History::of(plan));
        prop_assert_eq!(audit.verdict, AuditVerdict::Valid, "{}", text(&audit));
        prop_assert_eq!(audit.operations.attempted, plan.operations + 4 * plan.kills);
        prop_assert_eq!(audit.operations.fates(), audit.operations.attempted);
        prop_assert_eq!(audit.operations.unresolved, 0);
    }

    /// What an agent that was killed did not ask is not known; nothing is held against the server for it.
    #[test]
    fn a_correct_history_of_an_agent_that_was_killed_is_never_invalid(plan in plans()) {
        let audit = audited(&History::of(Plan { kills_agent: true, ..plan }));
        prop_assert_ne!(audit.verdict, AuditVerdict::Invalid, "{}", text(&audit));
    }

    /// However it is sorted, and by however many threads.
    #[test]
    fn limits_do_not_change_what_is_found(plan in plans(), records in 1..400_u64, threads in 1..4_usize, drop in any::<prop::sample::Index>()) {
        let mut history = History::of(Plan { kills_agent: plan.seed % 2 == 0, ..plan });
        history.store.remove(drop.index(history.store.len()));
        let limits = AuditLimits { threads, records_a_partition: records, partitions_max: 16, ..AuditLimits::default() };
        prop_assert_eq!(audited_within(&history, &limits), audited(&history));
    }
}

/// A claim waits too long for the store, its client is refused, it is granted, and the replica dies before it can give it back.
#[test]
fn a_refused_claim_that_was_granted_and_lost_is_no_mistake() {
    let mut history = History::of(Plan { refused: 100, ..Plan::new(11) });
    let at = history.stored(Event::Never)[0];
    let never = history.store[at];
    let invoke = history.agents.iter().flatten().find(|record| record.operation == never.operation).copied();
    let invoke = invoke.expect("it was begun");
    for (place, event) in [Event::Accepted, Event::Started, Event::Fenced].into_iter().enumerate() {
        let at_ns = never.at_ns - 10 + place as u64;
        let record = OperationRecord { event, at_ns, fingerprint: invoke.fingerprint, ..never };
        history.store.insert(at + place, record);
    }
    let audit = audited(&history);
    assert_eq!(violated(&audit), [] as [&str; 0], "{}", text(&audit));
    assert!(audit.operations.failed > 0);
}

#[test]
fn every_course_is_taken() {
    let plan = Plan { operations: 600, refused: 40, lost: 8, unanswered: 8, kills: 4, ..Plan::new(11) };
    let audit = audited(&History::of(plan));
    let counts = audit.operations;
    assert_eq!(audit.verdict, AuditVerdict::Valid, "{}", text(&audit));
    for (name, count) in [
        ("ok", counts.ok),
        ("failed", counts.failed),
        ("resolved as done", counts.resolved_done),
        ("resolved as never", counts.resolved_never),
        ("replayed", counts.replayed),
    ] {
        assert!(count > 0, "no operation {name}: the histories prove nothing of it");
    }
    assert!(counts.attempts > counts.attempted);
    assert_eq!(violated(&audit), [] as [&str; 0]);
    insta::assert_snapshot!(text(&audit));
}

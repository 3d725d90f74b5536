use super::*;
use crate::operations::heart::Class;

fn key(number: u64) -> Key {
    Key { principal: "".into(), operation: number.to_string().into() }
}

fn claim(number: u64) -> Command {
    Command::Claim { key: key(number), ticket: number, class: Class::Transactional, fingerprint: [1; 16] }
}

fn finish(number: u64) -> Command {
    Command::Finish { key: key(number), ticket: number, hash: 0, result: Box::default(), effect: None }
}

fn table() -> Table {
    let mut table = Table::new(Keep { held_max: 10, retention_ns: u64::MAX, unfiled_rows: 4 });
    table.admit(1, Incarnation { base: 1, replica: 1, number: 1 });
    table
}

fn apply(table: &mut Table, command: &Command, epoch: u64) -> Outcome {
    table.apply(name(command.key()), command, epoch, 0).0
}

#[test]
fn principals_and_operations_do_not_run_into_each_other() {
    let of = |principal: &str, operation: &str| name(&Key { principal: principal.into(), operation: operation.into() });
    assert_ne!(of("a", "bc"), of("ab", "c"));
    assert_ne!(of("", "abc"), of("abc", ""));
}

#[test]
fn what_was_not_written_is_taken_back() {
    let mut table = table();
    assert_eq!(apply(&mut table, &claim(1), 1), Outcome::Granted);
    table.commit();
    assert_eq!(apply(&mut table, &finish(1), 1), Outcome::Stored);
    assert_eq!(apply(&mut table, &claim(2), 1), Outcome::Granted);
    table.roll_back();
    assert_eq!(table.len(), 1);
    assert_eq!(apply(&mut table, &claim(1), 1), Outcome::Granted, "it still runs with its ticket");
    let again = Command::Claim { key: key(1), ticket: 99, class: Class::Transactional, fingerprint: [1; 16] };
    assert_eq!(apply(&mut table, &again, 1), Outcome::Running { epoch: 1 });
}

#[test]
fn what_has_changed_is_filed_in_the_order_of_names_and_then_not_in_mind() {
    let mut table = table();
    for command in [claim(3), claim(1), claim(2), finish(1), finish(2)] {
        apply(&mut table, &command, 1);
    }
    table.commit();
    let mut rows = [(name(&key(1)), 4), (name(&key(2)), 5)];
    rows.sort_unstable();
    assert_eq!(table.file(1).rows, rows[..1]);
    table.roll_back();
    let part = table.file(1);
    assert_eq!((&part.rows[..], &part.running), (&rows[..1], &None), "it was not written");
    table.commit();
    let last = table.file(9);
    assert_eq!((&last.rows[..], &last.running), (&rows[1..], &Some(vec![1])));
    assert_eq!(table.changed_marks(), Some(Marks { filed: 6, swept: 1, held: 3 }));
    table.commit();
    assert!(!table.knows(&name(&key(1))) && table.knows(&name(&key(3))));
    let state = State::Done { epoch: 1, ticket: 1, row: 4 };
    table.recall(vec![(name(&key(1)), Record { fingerprint: [1; 16], first: 2, last: 4, at_ns: 0, state })]);
    assert_eq!(apply(&mut table, &claim(1), 1), Outcome::Done { epoch: 1, row: 4 });
    assert_eq!(table.len(), 3);
}

#[test]
fn where_an_operation_stood_before_a_claim_that_runs_is_filed() {
    let mut table = table();
    apply(&mut table, &claim(1), 1);
    assert_eq!(table.fence(1, 0).len(), 1);
    table.admit(2, Incarnation { base: 1, replica: 1, number: 2 });
    apply(&mut table, &claim(1), 2);
    apply(&mut table, &claim(2), 2);
    table.commit();
    let Filing { rows, running } = table.file(9);
    let mut running = running.expect("that is all");
    running.sort_unstable();
    assert_eq!((rows, running), (vec![(name(&key(1)), 2)], vec![3, 4]));
}

#[test]
fn a_later_incarnation_takes_the_place_of_an_earlier_one() {
    let mut table = table();
    let first = Incarnation { base: 1, replica: 1, number: 1 };
    let second = Incarnation { number: 2, ..first };
    assert_eq!(table.connect(first), Some((1, vec![])), "it comes back");
    assert_eq!(table.connect(second), Some((2, vec![1])));
    apply(&mut table, &claim(1), 1);
    assert_eq!(table.fence(1, 5).len(), 1);
    table.admit(2, second);
    assert_eq!(table.connect(first), None);
    assert_eq!(apply(&mut table, &finish(1), 1), Outcome::Fenced);
    assert_eq!(apply(&mut table, &claim(1), 2), Outcome::Granted);
    assert_eq!(table.gone(1, 2, &[2]), Vec::<u64>::new());
    assert_eq!(table.gone(1, 1, &[]), Vec::<u64>::new(), "it began after that was said");
    assert_eq!((table.gone(1, 2, &[]), table.gone(9, 0, &[])), (vec![2], vec![2]));
}

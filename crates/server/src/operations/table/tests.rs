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

fn table(held_max: usize, retention_ns: u64) -> Table {
    let mut table = Table::new(Keep { held_max, retention_ns });
    table.admit(1, Incarnation { base: 1, replica: 1, number: 1 });
    table
}

#[test]
fn principals_and_operations_do_not_run_into_each_other() {
    let of = |principal: &str, operation: &str| name(&Key { principal: principal.into(), operation: operation.into() });
    assert_ne!(of("a", "bc"), of("ab", "c"));
    assert_ne!(of("", "abc"), of("abc", ""));
}

#[test]
fn what_was_not_written_is_taken_back() {
    let mut table = table(10, u64::MAX);
    assert_eq!(table.apply(&claim(1), 1, 0).0, Outcome::Granted);
    table.commit();
    assert_eq!(table.apply(&finish(1), 1, 0).0, Outcome::Stored);
    assert_eq!(table.apply(&claim(2), 1, 0).0, Outcome::Granted);
    table.roll_back();
    assert_eq!(table.len(), 1);
    assert_eq!(table.apply(&claim(1), 1, 0).0, Outcome::Granted, "it still runs with its ticket");
    let again = Command::Claim { key: key(1), ticket: 99, class: Class::Transactional, fingerprint: [1; 16] };
    assert_eq!(table.apply(&again, 1, 0).0, Outcome::Running { epoch: 1 });
}

#[test]
fn a_full_table_refuses_and_never_forgets_what_is_young() {
    let mut table = table(4, 1_000);
    for number in 0..4 {
        assert_eq!(table.apply(&claim(number), 1, 0).0, Outcome::Granted);
        assert_eq!(table.apply(&finish(number), 1, number).0, Outcome::Stored);
    }
    assert_eq!(table.apply(&claim(9), 1, 500).0, Outcome::Full);
    assert_eq!(table.apply(&Command::Ask { key: key(9), settle: true }, 1, 500).0, Outcome::Full);
    table.commit();
    assert_eq!(table.sweep(999, 100).0, []);
    let (not_written, _) = table.sweep(1_001, 100);
    table.roll_back();
    assert_eq!(table.apply(&claim(9), 1, 500).0, Outcome::Full, "nothing has gone");
    let (changes, swept) = table.sweep(1_001, 100);
    assert_eq!(changes.len(), not_written.len(), "it is found again");
    assert!(changes.contains(&Change::Forget(2)) && changes.contains(&Change::Forget(4)), "{changes:?}");
    table.commit();
    table.let_go(swept);
    let expired = Outcome::Settled(Settled::Expired { executed: true });
    // The oldest had to go for the next; the younger of the two is remembered.
    assert_eq!(table.apply(&claim(1), 1, 1_001).0, expired);
    table.commit();
    assert_eq!(table.apply(&claim(9), 1, 1_001).0, Outcome::Granted);
}

#[test]
fn a_later_incarnation_takes_the_place_of_an_earlier_one() {
    let mut table = table(10, u64::MAX);
    let first = Incarnation { base: 1, replica: 1, number: 1 };
    let second = Incarnation { number: 2, ..first };
    assert_eq!(table.connect(first), Some((1, vec![])), "it comes back");
    assert_eq!(table.connect(second), Some((2, vec![1])));
    table.apply(&claim(1), 1, 0);
    assert_eq!(table.fence(1, 5).len(), 1);
    table.admit(2, second);
    assert_eq!(table.connect(first), None);
    assert_eq!(table.apply(&finish(1), 1, 0).0, Outcome::Fenced);
    assert_eq!(table.apply(&claim(1), 2, 0).0, Outcome::Granted);
    assert_eq!(table.gone(1, 2, &[2]), Vec::<u64>::new());
    assert_eq!(table.gone(1, 1, &[]), Vec::<u64>::new(), "it began after that was said");
    assert_eq!((table.gone(1, 2, &[]), table.gone(9, 0, &[])), (vec![2], vec![2]));
}

//! Events of streams: each change is told once, on the streams that were held over it.

use erlmcp_record::{ChangeRow, Ended, Entry, FanOutRow, StreamRow};
use erlmcp_report::audit::{Audit, AuditVerdict, text};

use super::history::{History, Plan};
use super::{audited, invariant, unknown, violated};
use crate::streams::stream_row;

const STREAMS: u64 = 40;

fn change(number: u32, failed: Option<&str>) -> Entry {
    Entry::Change(ChangeRow {
        phase: 3,
        change: number,
        at_us: u64::from(number) * 1_000_000,
        bound_us: 800_000,
        method: "notify on the cluster's control socket".into(),
        failed: failed.map(Into::into),
    })
}

fn told(number: u32, missed: u64) -> Entry {
    Entry::FanOut(FanOutRow {
        agent: 0,
        phase: 3,
        change: number,
        streams: STREAMS,
        heard: STREAMS - missed,
        missed,
        lost: 0,
        last_us: None,
        latency: None,
        receive_lag: None,
    })
}

/// Two changes, of which all streams have told.
fn history() -> History {
    let mut history = History::of(Plan::new(31));
    history.streams = vec![change(1, None), told(1, 0), change(2, None), told(2, 0)];
    history
}

/// With a row of streams in which something is wrong.
fn with(mut history: History, row: impl FnOnce(&mut StreamRow)) -> Audit {
    let mut wrong = stream_row(0, 9);
    row(&mut wrong);
    history.streams.push(Entry::Streams(wrong));
    audited(&history)
}

#[test]
fn each_change_once_is_valid() {
    let audit = with(history(), |row| row.events = 2 * STREAMS);
    assert_eq!(audit.verdict, AuditVerdict::Valid, "{}", text(&audit));
    assert_eq!(invariant(&audit, "I10").checked, 2 * STREAMS);
}

#[test]
fn a_change_that_was_not_told() {
    let mut history = history();
    history.streams[3] = told(2, 3);
    let audit = audited(&history);
    assert_eq!(violated(&audit), ["I10"], "{}", text(&audit));
    assert_eq!(invariant(&audit, "I10").violations, 3);
}

#[test]
fn an_event_too_many() {
    let audit = with(history(), |row| row.surplus = Some(2));
    assert_eq!(violated(&audit), ["I10"], "{}", text(&audit));
    assert_eq!(invariant(&audit, "I10").violations, 2);
    assert!(text(&audit).contains("a stream told of more changes than were made"), "{}", text(&audit));
}

#[test]
fn an_event_of_another_stream() {
    let audit = with(history(), |row| row.strayed = Some(1));
    assert_eq!(violated(&audit), ["I9"], "{}", text(&audit));
    assert!(text(&audit).contains("events that said they were of another stream"), "{}", text(&audit));
}

#[test]
fn a_record_that_does_not_count_them_shows_neither() {
    let audit = with(history(), |row| (row.surplus, row.strayed) = (None, None));
    for id in ["I9", "I10"] {
        assert!(unknown(&audit, id).contains("of an earlier build"), "{}", text(&audit));
    }
    let mut missed = history();
    missed.streams[3] = told(2, 3);
    let audit = with(missed, |row| row.surplus = None);
    assert_eq!(violated(&audit), ["I10"], "{}", text(&audit));
}

#[test]
fn nothing_to_tell_of_is_told_from_nobody_to_tell() {
    let reason = |streams: Vec<Entry>| {
        let mut history = history();
        (history.config.streams, history.streams) = (STREAMS, streams);
        unknown(&audited(&history), "I10").to_string()
    };
    assert_eq!(reason(vec![change(1, Some("there was no answer"))]), "no change was made for streams to tell of");
    assert_eq!(reason(vec![change(1, None)]), "no stream was held over the changes that were made");
}

/// Somebody else may have made the change.
#[test]
fn events_too_many_are_no_mistake_where_not_every_change_is_known() {
    let (mut shared, mut failed) = (history(), history());
    shared.config.own_cluster = false;
    failed.streams.push(change(3, Some("there was no answer")));
    for (history, why) in [(shared, "the run's own"), (failed, "1 change failed")] {
        let audit = with(history, |row| row.surplus = Some(2));
        assert!(!violated(&audit).contains(&"I10"), "{}", text(&audit));
        let reason = unknown(&audit, "I10");
        assert!(reason.contains("2 events beyond the changes") && reason.contains(why), "{reason}");
    }
    let mut cut = history();
    cut.ended = Ended::Interrupted;
    let audit = with(cut, |row| row.surplus = Some(2));
    assert!(unknown(&audit, "I10").contains("the run was cut"), "{}", text(&audit));
}

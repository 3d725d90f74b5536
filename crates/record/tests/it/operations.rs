//! Journals of operations: their bytes, and what survives a crash.

use std::fs;
use std::path::PathBuf;

use erlmcp_record::operations::{
    Class, Event, JournalOf, OperationId, OperationReader, OperationRecord, OperationWriter, OperationsError,
    RECORD_BYTES, Reason, agent_journals, convert_export, store_journal,
};
use proptest::prelude::*;

const ID: OperationId = OperationId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);

fn invoke() -> OperationRecord {
    OperationRecord {
        attempt: 1,
        replica: 3,
        class: Class::Transactional,
        fingerprint: 0x1111_2222_3333_4444,
        nonce: 0x5555_6666_7777_8888,
        ..OperationRecord::new(Event::Invoke, ID, 9_000_000_123)
    }
}

fn done() -> OperationRecord {
    OperationRecord {
        replica: 3,
        fingerprint: 0x1111_2222_3333_4444,
        hash: 0x9999_aaaa_bbbb_cccc,
        epoch: 7,
        principal: 0xdead_beef,
        ..OperationRecord::new(Event::Done, ID, 9_000_000_456)
    }
}

fn ok() -> OperationRecord {
    OperationRecord {
        attempt: 2,
        replica: 4,
        class: Class::Transactional,
        replayed: true,
        hash: 0x9999_aaaa_bbbb_cccc,
        nonce: 0x5555_6666_7777_8888,
        epoch: 7,
        ..OperationRecord::new(Event::Ok, ID, 9_000_000_789)
    }
}

fn records() -> Vec<OperationRecord> {
    let fail = OperationRecord { attempt: 1, reason: Reason::Refused, ..OperationRecord::new(Event::Fail, ID, 4) };
    let resolved = OperationRecord { reason: Reason::Never, ..OperationRecord::new(Event::Resolved, ID, 5) };
    vec![invoke(), fail, done(), ok(), resolved]
}

fn written(records: &[OperationRecord]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = OperationWriter::over("a journal".into(), &mut bytes, JournalOf::Agent(2)).expect("a writer");
    records.iter().for_each(|record| writer.append(record).expect("memory takes it"));
    writer.flush().expect("memory takes it");
    bytes
}

/// What is read, whether its end is torn, and the error.
fn read(bytes: &[u8]) -> (Vec<OperationRecord>, u64, Option<OperationsError>) {
    let mut reader = match OperationReader::over(PathBuf::from("a journal"), bytes) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), 0, Some(error)),
    };
    let (mut found, mut error) = (Vec::new(), None);
    for record in &mut reader {
        match record {
            Ok(record) => found.push(record),
            Err(bad) => error = Some(bad),
        }
    }
    (found, reader.tail().torn_bytes, error)
}

/// What is read of a journal that is not damaged.
fn whole(bytes: &[u8]) -> (Vec<OperationRecord>, u64) {
    let (found, torn, error) = read(bytes);
    assert!(error.is_none(), "{error:?}");
    (found, torn)
}

fn hex(bytes: &[u8]) -> String {
    bytes.chunks(16).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n").collect()
}

/// A change of these bytes is a new version of the journals.
#[test]
fn bytes_are_as_ever() {
    insta::assert_snapshot!(hex(&written(&[invoke(), done(), ok()])));
}

#[test]
fn records_come_back_as_they_were_written() {
    assert_eq!(whole(&written(&records())), (records(), 0));
}

#[test]
fn numbers_of_the_format_are_kept_apart() {
    for event in Event::ALL {
        assert_eq!(Event::from_number(event as u8), Some(event));
    }
    for reason in Reason::ALL {
        assert_eq!(Reason::from_number(reason as u16), Some(reason));
    }
    for class in Class::ALL {
        assert_eq!(Class::from_number(class as u8), Some(class));
    }
    assert_eq!(Event::from_number(0), None);
}

#[test]
fn a_torn_end_is_dropped_wherever_it_is_torn() {
    let bytes = written(&records());
    for length in 0..bytes.len() {
        let (found, torn) = whole(&bytes[..length]);
        assert_eq!(found, records()[..(length / RECORD_BYTES).saturating_sub(1)], "cut at {length}");
        assert_eq!(torn, (length % RECORD_BYTES) as u64, "cut at {length}");
    }
}

#[test]
fn zeros_and_rubbish_at_the_end_are_torn() {
    for rubbish in [vec![0; 200], vec![0xff; 64], (0..=255).collect()] {
        let mut bytes = written(&records());
        bytes.extend(&rubbish);
        assert_eq!(whole(&bytes), (records(), rubbish.len() as u64));
    }
}

#[test]
fn a_record_that_is_not_whole_with_good_ones_behind_it_is_damage() {
    let written = written(&records());
    for missing in 1..RECORD_BYTES {
        let mut bytes = written.clone();
        let second = 2 * RECORD_BYTES;
        bytes.drain(second..second + missing);
        let (found, _, error) = read(&bytes);
        assert_eq!(found, records()[..1]);
        assert!(matches!(error, Some(OperationsError::Damaged { record: 1, .. })), "{missing}: {error:?}");
    }
}

#[test]
fn a_hole_and_a_record_that_is_there_twice_are_damage() {
    let written = written(&records());
    let mut hole = written.clone();
    hole.drain(2 * RECORD_BYTES..3 * RECORD_BYTES);
    let mut twice = written.clone();
    twice.extend_from_slice(&written[RECORD_BYTES..2 * RECORD_BYTES]);
    for bytes in [hole, twice] {
        let (_, _, error) = read(&bytes);
        assert!(matches!(error, Some(OperationsError::Damaged { .. })), "{error:?}");
    }
}

#[test]
fn other_files_and_newer_ones_are_refused() {
    let (_, _, error) = read(&[b'{'; 500]);
    assert!(matches!(error, Some(OperationsError::NotAJournal { .. })), "{error:?}");
    let mut newer = written(&[]);
    newer[8] = 2;
    let (_, _, error) = read(&newer);
    assert!(matches!(error, Some(OperationsError::TooNew { found: 2, .. })), "{error:?}");
}

/// A file that takes `room` bytes and then fails.
struct Full {
    bytes: Vec<u8>,
    room: usize,
}

impl std::io::Write for &mut Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(self.room - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        if taken == 0 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn after_a_write_that_failed_nothing_more_is_written() {
    let mut full = Full { bytes: Vec::new(), room: 2 * RECORD_BYTES + 10 };
    let mut writer = OperationWriter::over("a journal".into(), &mut full, JournalOf::Agent(2)).expect("a writer");
    for record in records() {
        writer.append(&record).expect("gathered");
    }
    assert!(writer.flush().is_err());
    assert!(writer.flush().is_err(), "it must not go on behind a torn record");
    assert_eq!(whole(&full.bytes), (records()[..1].to_vec(), 10));
}

#[test]
fn journals_are_never_written_over_and_are_found_by_their_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    for agent in [11, 0, 2] {
        OperationWriter::of_agent(folder.path(), agent).expect("a new journal");
    }
    fs::write(folder.path().join("operations-agent-02.journal"), "").expect("written");
    assert!(matches!(OperationWriter::of_agent(folder.path(), 2), Err(OperationsError::Write { .. })));
    let found = agent_journals(folder.path()).expect("it can be listed");
    assert_eq!(found.iter().map(|(agent, _)| *agent).collect::<Vec<_>>(), [0, 2, 11]);
}

fn converted(export: &str, since_ns: u64) -> Result<Vec<OperationRecord>, OperationsError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("export.tsv");
    fs::write(&path, export).expect("written");
    convert_export(&path, folder.path(), since_ns)?;
    OperationReader::open(&store_journal(folder.path()))?.collect()
}

#[test]
fn an_export_becomes_a_journal_with_an_end() {
    let export = "1\taccepted\tanonymous\t0123456789abcdef0011223344556677\t7\t3\t1111222233334444\t-\t100\n\
                  2\tdone\tanonymous\t0123456789abcdef0011223344556677\t7\t3\t1111222233334444\t9999aaaabbbbcccc\t200\n\
                  3\tfenced\t-\t-\t7\t3\t-\t-\t300\n\
                  4\teffect\tanonymous\tan id of another client\t8\t4\t-\t-\t400\n";
    let records = converted(export, 0).expect("a journal");
    let events: Vec<Event> = records.iter().map(|record| record.event).collect();
    assert_eq!(events, [Event::Accepted, Event::Done, Event::Fenced, Event::Effect, Event::End]);
    assert_eq!((records[1].operation, records[1].hash, records[1].fingerprint), (ID, done().hash, done().fingerprint));
    assert_eq!(records[0].principal, records[1].principal);
    assert_eq!((records[2].operation, records[2].epoch), (OperationId::NONE, 7));
    assert!(records[3].is_stand_in && !records[2].is_stand_in && !records[1].is_stand_in);
    assert_eq!(records[4].begun, 4);
    let later = converted(export, 200).expect("a journal");
    assert_eq!((later.len(), later[3].begun), (4, 3), "rows from before the run are left out");
}

#[test]
fn a_line_of_an_export_that_is_no_row_is_damage() {
    let row = |number: u32| {
        format!("{number}\taccepted\t-\t0123456789abcdef0011223344556677\t7\t3\t1111222233334444\t-\t100\n")
    };
    let skipped = row(3);
    let bad = [
        &skipped,
        "2\taccepted\n",
        "2\tinvoke\t-\t-\t7\t3\t-\t-\t100\n",
        "2\tdone\t-\t-\t7\t3\t-\tbeef\t1\n",
        "x\tdone\t-\t-\t7\t3\t-\t-\t1\n",
    ];
    for bad in bad {
        let next = if bad == skipped { 4 } else { 3 };
        let error = converted(&format!("{}{bad}{}", row(1), row(next)), 0).expect_err("damage");
        assert!(matches!(error, OperationsError::Damaged { record: 1, .. }), "{bad:?}: {error}");
    }
    let error = converted(&format!("{}{}", row(1), row(2).trim_end()), 0).expect_err("cut short");
    assert!(matches!(error, OperationsError::BadExport { line: 2, .. }), "{error}");
}

fn any_record() -> impl Strategy<Value = OperationRecord> {
    (proptest::sample::select(&Event::ALL[..6]), any::<u128>(), any::<[u64; 3]>(), any::<u8>(), any::<bool>()).prop_map(
        |(event, id, [at_ns, one, two], attempt, replayed)| OperationRecord {
            attempt,
            replayed,
            epoch: one ^ two,
            fingerprint: if event == Event::Invoke { one } else { 0 },
            hash: if event == Event::Invoke { 0 } else { one },
            nonce: two,
            ..OperationRecord::new(event, OperationId(id), at_ns)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_record_comes_back(records in proptest::collection::vec(any_record(), 0..20)) {
        prop_assert_eq!(whole(&written(&records)), (records, 0));
    }

    /// One bit that is not as written is never read as something else.
    #[test]
    fn a_flipped_bit_is_found(records in proptest::collection::vec(any_record(), 1..8), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = written(&records);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let (found, torn, error) = read(&bytes);
        prop_assert!(records.starts_with(&found));
        prop_assert!(error.is_some() || torn == RECORD_BYTES as u64, "torn {torn}, error {error:?}");
        prop_assert!(found.len() < records.len());
    }
}

//! A journal is read as it was written, up to where a crash tore it.

use std::fs;
use std::path::Path;

use erlmcp_record::{
    Entry, JournalError, JournalReader, JournalTail, JournalWriter, RECORD_VERSION, close_part, find_journal,
    press_part,
};
use tempfile::TempDir;

use crate::golden::{header, rows};

fn written(rows: &[Entry]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = JournalWriter::create(folder.path()).expect("a new journal");
    rows.iter().for_each(|row| writer.append(row).expect("written"));
    writer.flush().expect("flushed");
    folder
}

fn read(folder: &Path) -> (Result<Vec<Entry>, JournalError>, bool) {
    let mut reader = JournalReader::open(folder).expect("a journal");
    let rows = (&mut reader).collect();
    (rows, reader.torn())
}

fn path(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("journal.jsonl")
}

#[test]
fn rows_come_back_in_order() {
    let folder = written(&rows());
    let (read, torn) = read(folder.path());
    assert_eq!(read.expect("all rows"), rows());
    assert!(!torn);
}

#[test]
fn a_torn_last_line_ends_the_journal_wherever_it_is_torn() {
    // The last row has a letter of more than one byte, so that some cuts go through it.
    let mut all = rows();
    let Some(Entry::End(end)) = all.last_mut() else { panic!("a record ends") };
    end.ended = erlmcp_record::Ended::Aborted { reason: "✗ agent 2 died".into() };
    let folder = written(&all);
    let whole = fs::read(path(&folder)).expect("a journal");
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("more than one line") + 1;
    for length in last + 1..whole.len() {
        fs::write(path(&folder), &whole[..length]).expect("written");
        let (read, torn) = read(folder.path());
        assert_eq!(read.expect("the rows before").len(), all.len() - 1, "cut at {length}");
        assert!(torn, "cut at {length}");
    }
}

#[test]
fn a_bad_line_with_good_ones_behind_it_is_an_error() {
    let folder = written(&rows());
    let text = fs::read_to_string(path(&folder)).expect("a journal");
    let mut lines: Vec<&str> = text.lines().collect();
    lines[4] = "{\"row\":\"phase\"";
    fs::write(path(&folder), lines.join("\n") + "\n").expect("written");
    let (read, _) = read(folder.path());
    assert!(matches!(read, Err(JournalError::Corrupt { line: 5, .. })), "{read:?}");
}

#[test]
fn a_record_begins_with_its_header() {
    let folder = written(&rows()[1..]);
    let (read, _) = read(folder.path());
    assert!(read.expect_err("no header").to_string().contains("the first row is not the run's header"));
}

#[test]
fn a_newer_record_is_refused_with_its_version() {
    let mut newer = header();
    newer.record_version = RECORD_VERSION + 1;
    let folder = written(&[Entry::Run(newer)]);
    let (read, _) = read(folder.path());
    assert!(matches!(read, Err(JournalError::TooNew { found, .. }) if found == RECORD_VERSION + 1));
}

#[test]
fn a_journal_is_never_written_over() {
    let folder = written(&rows());
    assert!(matches!(JournalWriter::create(folder.path()), Err(JournalError::Write { .. })));
    assert_eq!(read(folder.path()).0.expect("as before"), rows());
}

#[test]
fn an_empty_folder_has_no_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(matches!(JournalReader::open(folder.path()), Err(JournalError::Read { .. })));
}

#[test]
fn a_journal_is_read_while_it_is_written() {
    let folder = written(&rows());
    let whole = fs::read(path(&folder)).expect("a journal");
    let cut = whole.len() - 5;
    fs::write(path(&folder), &whole[..cut]).expect("written");
    let mut tail = JournalTail::open(folder.path()).expect("a journal");
    assert_eq!(tail.read().expect("what is whole").len(), rows().len() - 1);
    assert_eq!(tail.read().expect("nothing more"), []);
    let mut file = fs::OpenOptions::new().append(true).open(path(&folder)).expect("opened");
    std::io::Write::write_all(&mut file, &whole[cut..]).expect("written");
    assert_eq!(tail.read().expect("the rest"), rows()[rows().len() - 1..]);
}

#[test]
fn a_journal_in_parts_reads_as_one_and_is_followed_through_them() {
    let all = rows();
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = JournalWriter::create(folder.path()).expect("a new journal");
    let mut early = JournalTail::open(folder.path()).expect("a journal");
    let mut followed = Vec::new();
    for (number, row) in all.iter().enumerate() {
        writer.append(row).expect("written");
        if number % 3 == 2 {
            let part = number as u32 / 3 + 1;
            writer.begin_part(|file| file).expect("begun");
            assert_eq!(writer.part_bytes(), None, "one is about to be closed");
            close_part(folder.path(), part).expect("closed");
            if part.is_multiple_of(2) {
                let mut paced = 0;
                press_part(folder.path(), part, |bytes| paced += bytes).expect("compressed");
                assert!(paced > 0);
            }
        }
        if number.is_multiple_of(4) {
            writer.flush().expect("flushed");
            followed.extend(early.read().expect("rows"));
        }
    }
    writer.flush().expect("flushed");
    assert!(folder.path().join("journal-000001.jsonl").exists());
    assert!(folder.path().join("journal-000002.jsonl.zst").exists());
    assert!(!folder.path().join("journal-000002.jsonl").exists());
    assert_eq!(read(folder.path()).0.expect("all parts"), all);
    let mut late = JournalTail::open(folder.path()).expect("a journal");
    for (tail, mut rows) in [(&mut early, followed), (&mut late, Vec::new())] {
        for _ in 0..all.len() {
            rows.extend(tail.read().expect("rows"));
        }
        assert_eq!(rows, all);
    }
}

#[test]
fn a_part_that_cannot_be_compressed_stays_as_it_is() {
    let folder = written(&rows());
    let mut writer = JournalWriter::create(&folder.path().join("none")).expect_err("no such folder");
    assert!(matches!(&mut writer, JournalError::Write { .. }));
    assert!(press_part(folder.path(), 1, |_| ()).is_err(), "nothing was closed");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing half done is left");
    assert_eq!(read(folder.path()).0.expect("as before"), rows());
}

#[test]
fn a_writer_that_was_killed_between_two_parts_leaves_a_journal() {
    let all = rows();
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = JournalWriter::create(folder.path()).expect("a new journal");
    let mut early = JournalTail::open(folder.path()).expect("a journal");
    let (before, after) = all.split_at(3);
    before.iter().for_each(|row| writer.append(row).expect("written"));
    writer.begin_part(|file| file).expect("begun");
    after.iter().for_each(|row| writer.append(row).expect("written"));
    writer.flush().expect("flushed");
    // The first rename of two.
    fs::rename(path(&folder), folder.path().join("journal-000001.jsonl")).expect("renamed");
    let followed = |tail: &mut JournalTail| (0..3).flat_map(|_| tail.read().expect("rows")).collect::<Vec<_>>();
    assert_eq!(read(folder.path()).0.expect("both parts"), all);
    assert_eq!(followed(&mut early), all);
    assert_eq!(followed(&mut JournalTail::open(folder.path()).expect("a journal")), all);
    assert!(!path(&folder).exists(), "a reader changes nothing: the writer may be there");
    assert!(find_journal(folder.path()), "it is one");
    assert!(path(&folder).exists() && !folder.path().join("journal.jsonl.next").exists());
    assert_eq!(read(folder.path()).0.expect("both parts"), all);
    assert!(!find_journal(&folder.path().join("none")));
}

//! The readers of a run's record: its journal of rows, and its journals of operations.
#![allow(unreachable_pub, reason = "targets and smokes see more, or less, of it")]

use erlmcp_record::operations::{JournalOf, OperationReader, OperationRecord, OperationWriter};
use erlmcp_record::{Entry, JournalReader};

/// A journal.jsonl, or any bytes: what is read is written and read again alike.
pub fn rows(bytes: &[u8]) {
    let (rows, torn, is_bad) = read_rows(bytes);
    assert!(!torn || bytes.last() != Some(&b'\n'), "a whole line was taken for a torn one");
    assert!(is_bad || torn || bytes.is_empty() || bytes.ends_with(b"\n"), "a torn line was taken for whole");
    let again: Vec<u8> =
        rows.iter().flat_map(|row| [serde_json::to_vec(row).expect("a row"), b"\n".to_vec()].concat()).collect();
    let (second, torn, is_bad) = read_rows(&again);
    assert!(!torn && !is_bad, "what it has read it does not read again");
    let third: Vec<u8> =
        second.iter().flat_map(|row| [serde_json::to_vec(row).expect("a row"), b"\n".to_vec()].concat()).collect();
    assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&third));
}

/// The rows before the first error, whether the end is torn, and whether there was an error.
fn read_rows(bytes: &[u8]) -> (Vec<Entry>, bool, bool) {
    let mut reader = JournalReader::over("a journal".into(), bytes);
    let mut rows = Vec::new();
    let mut is_bad = false;
    for row in &mut reader {
        match row {
            Ok(row) => rows.push(row),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                is_bad = true;
                break;
            }
        }
    }
    (rows, reader.torn(), is_bad)
}

/// A journal of operations, or any bytes: as they are, and as what a sound journal holds, since no chance finds its checksums.
pub fn operations(bytes: &[u8]) {
    are_read_or_refused(bytes);
    are_read_or_refused(&sealed(bytes));
}

/// A sound header, then each 60 bytes with their checksum, and most of them with the number that is their turn. A rest stays as it is.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let whose = if bytes.len().is_multiple_of(2) { JournalOf::Store } else { JournalOf::Agent(2) };
    let mut journal = Vec::new();
    drop(OperationWriter::over("a journal".into(), &mut journal, whose).expect("memory takes it"));
    let mut pieces = bytes.chunks_exact(60);
    for (turn, piece) in (0u32..).zip(&mut pieces) {
        let mut piece = piece.to_vec();
        if piece[0] != b'!' {
            piece[..4].copy_from_slice(&turn.to_le_bytes());
        }
        journal.extend_from_slice(&crc32c::crc32c(&piece).to_le_bytes());
        journal.extend_from_slice(&piece);
    }
    journal.extend_from_slice(pieces.remainder());
    journal
}

fn are_read_or_refused(bytes: &[u8]) {
    let Ok((records, of, torn)) = read_operations(bytes) else { return };
    assert!(torn <= bytes.len() as u64);
    let Some(of) = of else { return };
    let mut again = Vec::new();
    let mut writer = OperationWriter::over("a journal".into(), &mut again, of).expect("memory takes it");
    records.iter().for_each(|record| writer.append(record).expect("memory takes it"));
    writer.flush().expect("memory takes it");
    drop(writer);
    let (second, _, torn) = read_operations(&again).expect("what it has read it writes");
    assert_eq!((second, torn), (records, 0));
}

type Operations = (Vec<OperationRecord>, Option<JournalOf>, u64);

fn read_operations(bytes: &[u8]) -> Result<Operations, String> {
    let mut reader = OperationReader::over("a journal".into(), bytes).map_err(|error| error.to_string())?;
    let mut records = Vec::new();
    for record in &mut reader {
        records.push(record.map_err(|error| error.to_string())?);
    }
    Ok((records, reader.of(), reader.tail().torn_bytes))
}

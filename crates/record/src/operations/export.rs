use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::{Event, OperationId, OperationRecord, OperationWriter, OperationsError};

/// An id and a principal have bounds far below this.
const LINE_MAX: u64 = 16 << 10;

/// What was made of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Converted {
    /// Rows that are in the journal.
    pub rows: u64,
    /// Rows from before the run, which are not.
    pub earlier: u64,
    /// Lines that are no rows: each is a hole in the journal, which readers take for the damage that it is.
    pub bad: u64,
}

/// Makes `operations-store.journal` in a run's folder from the store's export: rows of
/// `SEQ EVENT PRINCIPAL OPERATION EPOCH REPLICA FINGERPRINT HASH AT_NS`, separated by TABs, an empty field as `-`.
/// Rows from before `since_ns` (CLOCK_MONOTONIC) belong to earlier runs and are left out.
///
/// # Errors
/// Where the last line is cut short, a file cannot be read or written, or the journal is there already.
pub fn convert_export(export: &Path, folder: &Path, since_ns: u64) -> Result<Converted, OperationsError> {
    let read = |source| OperationsError::Read { path: export.to_path_buf(), source };
    let mut lines = BufReader::new(File::open(export).map_err(read)?);
    let mut writer = OperationWriter::of_store(folder)?;
    let mut converted = Converted::default();
    let (mut line, mut at_ns, mut last) = (0_u64, since_ns, None);
    loop {
        let mut text = String::new();
        let count = (&mut lines).take(LINE_MAX).read_line(&mut text).map_err(read)?;
        if count == 0 {
            break;
        }
        line += 1;
        let bad = |what: &str| {
            let path = export.to_path_buf();
            OperationsError::BadExport { path, line, what: what.into() }
        };
        let row = text.strip_suffix('\n').ok_or_else(|| bad("it is cut short"))?;
        let Ok((sequence, record)) = record(row) else {
            converted.bad += 1;
            last = last.map(|last: u64| last + 1);
            writer.skip();
            continue;
        };
        if last.is_some_and(|last| sequence != last + 1) {
            converted.bad += 1;
            writer.skip();
        }
        last = Some(sequence);
        if record.at_ns < since_ns {
            converted.earlier += 1;
            continue;
        }
        at_ns = at_ns.max(record.at_ns);
        writer.append(&record)?;
        converted.rows += 1;
    }
    writer.end(converted.rows, 0, at_ns)?;
    Ok(converted)
}

/// A row's SEQ and what it says.
fn record(row: &str) -> Result<(u64, OperationRecord), String> {
    let fields: Vec<&str> = row.split('\t').collect();
    let [sequence, event, principal, operation, epoch, replica, fingerprint, hash, at_ns] = fields[..] else {
        return Err(format!("it has {} fields in place of 9", fields.len()));
    };
    let event = Event::ALL.into_iter().find(|known| known.is_stores() && known.name() == event);
    let event = event.ok_or("its EVENT is not known")?;
    let own = OperationId::parse(operation);
    let is_stand_in = own.is_none() && operation != "-";
    let none_or = || if is_stand_in { OperationId::standing_for(operation) } else { OperationId::NONE };
    let of = OperationRecord::new(event, own.unwrap_or_else(none_or), number(at_ns, "AT_NS")?);
    let record = OperationRecord {
        is_stand_in,
        epoch: number(epoch, "EPOCH")?,
        replica: u16::try_from(number(replica, "REPLICA")?).map_err(|_| "its REPLICA is no replica's number")?,
        fingerprint: hex(fingerprint, "FINGERPRINT")?,
        hash: hex(hash, "HASH")?,
        principal: crc32c::crc32c(principal.as_bytes()),
        ..of
    };
    Ok((number(sequence, "SEQ")?, record))
}

fn number(text: &str, name: &str) -> Result<u64, String> {
    if text == "-" { Ok(0) } else { text.parse().map_err(|_| format!("its {name} is no number")) }
}

fn hex(text: &str, name: &str) -> Result<u64, String> {
    match text {
        "-" => Ok(0),
        _ if text.len() == 16 => u64::from_str_radix(text, 16).map_err(|_| format!("its {name} is not hexadecimal")),
        _ => Err(format!("its {name} has not 16 digits")),
    }
}

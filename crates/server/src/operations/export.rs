//! The history and the effects as lines of text, for an audit by others. The same from every store.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::heart::Event;
use super::seeded::Bug;

/// One line: all but its number.
#[derive(Debug)]
pub(super) struct Line {
    /// Of the history; an effect has that of its result.
    pub(super) row: i64,
    pub(super) event: Event,
    pub(super) principal: String,
    pub(super) operation: String,
    pub(super) epoch: i64,
    pub(super) replica: u16,
    pub(super) fingerprint: Option<u64>,
    pub(super) hash: Option<u64>,
    pub(super) at_ns: i64,
}

fn write(out: &mut impl Write, number: u64, event: &str, line: &Line) -> io::Result<()> {
    let text = |text: &str| if text.is_empty() { "-".to_string() } else { text.replace(['\t', '\n', '\r'], " ") };
    let digits = |digest: Option<u64>| digest.map_or("-".to_string(), |digest| format!("{digest:016x}"));
    writeln!(
        out,
        "{number}\t{event}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
        text(&line.principal),
        text(&line.operation),
        line.epoch,
        line.replica,
        digits(line.fingerprint),
        digits(line.hash),
        line.at_ns
    )
}

/// Writes lines, in the order of their rows, to the file `to`, which is whole once it is there. Gives their number.
pub(super) fn write_lines<E: From<io::Error>>(
    to: &Path,
    mut history: impl FnMut() -> Result<Option<Line>, E>,
    mut effects: impl FnMut() -> Result<Option<Line>, E>,
) -> Result<u64, E> {
    let mut name = to.as_os_str().to_os_string();
    name.push(".part");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&name)?);
    let mut number = 0;
    let mut next_effect = effects()?;
    loop {
        let row = history()?;
        while let Some(line) = next_effect.take_if(|line| row.as_ref().is_none_or(|row| line.row <= row.row)) {
            number += 1;
            write(&mut out, number, "effect", &line)?;
            next_effect = effects()?;
        }
        let Some(line) = row else { break };
        if line.event == Event::Done && Bug::CutsRecords.strikes() {
            continue;
        }
        number += 1;
        write(&mut out, number, &line.event.to_string(), &line)?;
        if line.event == Event::Claimed {
            number += 1;
            write(&mut out, number, "started", &line)?;
        }
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&name, to)?;
    Ok(number)
}

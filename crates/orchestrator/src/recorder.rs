use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use erlmcp_record::{Entry, JournalWriter, PhaseEvent, RunHeader, close_part};
use erlmcp_report::series::{Series, SeriesBuilder};
use erlmcp_report::{Analysis, SecondView, live};

use crate::StressError;
use crate::folder::Folder;
use crate::pressing::Pressing;
use crate::room::Room;
use crate::scribe::{Scribe, ScribedFile};

/// Seconds of the run's clock in one line of metrics.log.
const LOG_EVERY_S: u32 = 30;
/// Rows of a second may come so long after it.
const ROWS_LATE_S: u32 = 2;

/// The journal's part of so many bytes is closed and compressed: a quarter of an hour at 100,000 connections.
const PART_BYTES: u64 = 32 << 20;

/// The last of the record reaches the disk within so long.
const FINISH_MAX: Duration = Duration::from_secs(30);

/// Writes down what happens: the journal, the metrics as they come, and the run's log.
#[derive(Debug)]
pub(crate) struct Recorder {
    scribe: Scribe,
    journal: JournalWriter<ScribedFile>,
    parts: Parts,
    pub(crate) analysis: Analysis,
    series: SeriesBuilder,
    metrics: Lines,
    metrics_log: Lines,
    run_log: Lines,
    logged_to_s: u32,
    phase_name: String,
    room: Room,
}

impl Recorder {
    /// Starts the files of a run in its folder. `limit`: bytes of all files.
    pub(crate) fn create(folder: &Folder, header: RunHeader, limit: u64) -> Result<Self, StressError> {
        let scribe = Scribe::start().map_err(|error| {
            StressError::failed(format!("no thread can be started that writes the record: {error}"))
        })?;
        let mut recorder = Self {
            journal: JournalWriter::create_over(folder.path(), |file| scribe.file(file))?,
            parts: Parts { folder: folder.path().to_path_buf(), closed: 0, bytes: PART_BYTES, pressing: None },
            analysis: Analysis::new(),
            series: SeriesBuilder::default(),
            metrics: Lines::create(folder, "metrics.jsonl", &scribe)?,
            metrics_log: Lines::create(folder, "metrics.log", &scribe)?,
            run_log: Lines::create(folder, "run.log", &scribe)?,
            scribe,
            logged_to_s: 0,
            phase_name: "setup".into(),
            room: Room::new(folder.path(), limit),
        };
        recorder.row(&Entry::Run(header))?;
        recorder.flush()?;
        Ok(recorder)
    }

    /// Appends one row to the journal and folds it.
    pub(crate) fn row(&mut self, entry: &Entry) -> Result<(), StressError> {
        if let Entry::Phase(row) = entry
            && row.event == PhaseEvent::Started
        {
            self.phase_name.clone_from(&row.name);
        }
        self.journal.append(entry)?;
        self.analysis.push(entry);
        Ok(())
    }

    /// What was said to the person who watches, with the time, for run.log.
    pub(crate) fn say(&mut self, event: &live::Event, now_us: u64) -> Result<(), StressError> {
        for line in live::console(event).lines().filter(|line| !line.is_empty()) {
            self.log(line, now_us)?;
        }
        Ok(())
    }

    /// A line for run.log alone.
    pub(crate) fn log(&mut self, line: &str, now_us: u64) -> Result<(), StressError> {
        self.run_log.append(&format!("[{:10.3}] {line}\n", now_us as f64 / 1e6))
    }

    /// Once a second: everything up to now on its way to the disk, and the metrics of the seconds that are whole, which it
    /// gives.
    pub(crate) fn second(&mut self, now_us: u64) -> Result<Vec<SecondView>, StressError> {
        let now_s = (now_us / 1_000_000) as u32;
        let whole = self.analysis.take_complete(now_s, self.analysis.lag_s());
        self.add_seconds(&whole)?;
        while self.logged_to_s + LOG_EVERY_S + ROWS_LATE_S <= now_s {
            self.log_span(self.logged_to_s + LOG_EVERY_S)?;
        }
        self.flush()?;
        self.close_full_part()?;
        Ok(whole)
    }

    /// Goes on in another part of the journal where the present one is full.
    fn close_full_part(&mut self) -> Result<(), StressError> {
        if self.journal.part_bytes().is_none_or(|bytes| bytes < self.parts.bytes) {
            return Ok(());
        }
        self.journal.begin_part(|file| self.scribe.file(file))?;
        let closing = self.parts.closing().and_then(|closing| self.scribe.then(closing));
        closing.map_err(|error| Lines::failed(&self.parts.folder, &error))
    }

    /// Why the run has to end, since there is no more room for its record.
    pub(crate) fn no_room(&mut self, now_us: u64) -> Option<String> {
        self.room.ended(now_us / 1_000_000)
    }

    fn add_seconds(&mut self, seconds: &[SecondView]) -> Result<(), StressError> {
        for second in seconds {
            self.metrics.append(&second.to_json_line())?;
            self.series.push(second);
        }
        Ok(())
    }

    /// What is drawn over the time of the run, of all seconds that were written.
    pub(crate) fn series(&self) -> Series {
        self.series.finish(&self.analysis)
    }

    fn log_span(&mut self, to: u32) -> Result<(), StressError> {
        let span = self.analysis.span(self.logged_to_s, to);
        self.logged_to_s = to;
        self.metrics_log.append(&span.log_line(to, &self.phase_name))
    }

    /// The metrics of all seconds that were not whole before, at the run's end.
    pub(crate) fn rest(&mut self, now_us: u64) -> Result<(), StressError> {
        let rest = self.analysis.take_rest();
        self.add_seconds(&rest)?;
        let now_s = (now_us / 1_000_000) as u32;
        if self.logged_to_s < now_s {
            self.log_span(now_s)?;
        }
        self.flush()
    }

    /// Waits until everything is with the kernel.
    ///
    /// # Errors
    /// Where something could not be written, or the disk takes it too slowly.
    pub(crate) async fn finish(&mut self) -> Result<(), StressError> {
        self.flush()?;
        self.scribe.finish(FINISH_MAX).await.map_err(|error| Lines::failed(&self.run_log.path, &error))?;
        if let Some(pressing) = self.parts.pressing.take() {
            // Where it fails there are parts that are not compressed, which are read all the same.
            let _ = tokio::task::spawn_blocking(|| pressing.finish()).await;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StressError> {
        self.journal.flush()?;
        self.metrics.flush()?;
        self.metrics_log.flush()?;
        self.run_log.flush()
    }
}

/// The parts of the journal that were closed.
#[derive(Debug)]
struct Parts {
    folder: PathBuf,
    closed: u32,
    /// What a part may have.
    bytes: u64,
    /// From the first one on.
    pressing: Option<Pressing>,
}

impl Parts {
    /// What closes the next part once all of it was written.
    fn closing(&mut self) -> io::Result<impl FnOnce() -> io::Result<()> + Send + use<>> {
        let pressing = match &mut self.pressing {
            Some(pressing) => pressing,
            none => none.insert(Pressing::start(self.folder.clone())?),
        };
        self.closed += 1;
        let (folder, part, parts) = (self.folder.clone(), self.closed, pressing.parts());
        Ok(move || {
            close_part(&folder, part)?;
            // Where too many wait already this one is not compressed.
            let _ = parts.try_send(part);
            Ok(())
        })
    }
}

/// A text file that grows.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    file: BufWriter<ScribedFile>,
}

impl Lines {
    fn create(folder: &Folder, name: &str, scribe: &Scribe) -> Result<Self, StressError> {
        let path = folder.path().join(name);
        let file = File::create(&path).map_err(|error| Self::failed(&path, &error))?;
        Ok(Self { path, file: BufWriter::new(scribe.file(file)) })
    }

    fn append(&mut self, text: &str) -> Result<(), StressError> {
        self.file.write_all(text.as_bytes()).map_err(|error| Self::failed(&self.path, &error))
    }

    fn flush(&mut self) -> Result<(), StressError> {
        self.file.flush().map_err(|error| Self::failed(&self.path, &error))
    }

    fn failed(path: &std::path::Path, error: &io::Error) -> StressError {
        StressError::failed(format!(
            "cannot write {}: {error}. Free the disk or choose another --output",
            path.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::header;
    use erlmcp_record::{ConfigRow, EndRow, Ended, Fate, Hist, IntervalRow, JournalReader, Kind};
    use erlmcp_report::replay;

    /// One line of every kind of row.
    const EVERY_ROW: &str = include_str!("../../record/tests/it/golden.jsonl");

    #[tokio::test]
    async fn a_long_journal_is_closed_part_by_part_and_read_as_one() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = Folder::create(Some(&parent.path().join("run")), "run").expect("created");
        let mut recorder = Recorder::create(&folder, header(), u64::MAX).expect("created");
        recorder.parts.bytes = 2_000;
        let row = Entry::End(EndRow { at_us: 0, ended: Ended::Aborted { reason: "x".repeat(500) } });
        for second in 1..40 {
            recorder.row(&row).expect("written");
            recorder.scribe.finish(FINISH_MAX).await.expect("written");
            recorder.second(second * 1_000_000).expect("written");
        }
        recorder.finish().await.expect("written");
        let has = |name: &str| folder.path().join(name).exists();
        assert!(has("journal-000001.jsonl.zst") && has("journal-000004.jsonl.zst") && has("journal.jsonl"));
        assert!(!has("journal-000001.jsonl") && !has("journal.jsonl.next"));
        let read = JournalReader::open(folder.path()).expect("there").collect::<Result<Vec<_>, _>>().expect("whole");
        assert_eq!(read.len(), 40);
        assert!(read[1..].iter().all(|entry| *entry == row));
    }

    #[tokio::test]
    async fn a_request_that_waited_twice_is_in_what_the_run_itself_draws() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = Folder::create(Some(&parent.path().join("run")), "run").expect("created");
        let mut recorder = Recorder::create(&folder, header(), u64::MAX).expect("created");
        let config = EVERY_ROW.lines().find_map(|line| match serde_json::from_str(line) {
            Ok(Entry::Config(row)) => Some(row),
            _ => None,
        });
        let config = ConfigRow { timeout_ms: 5_000, ..config.expect("it is among them") };
        recorder.row(&Entry::Config(config)).expect("written");
        let row = IntervalRow::empty(1, 3, 1, Kind::Load, 3);
        recorder.row(&Entry::Interval(IntervalRow { planned: 2, ..row.clone() })).expect("written");
        for now_s in 4..=14 {
            assert!(recorder.second(now_s * 1_000_000).expect("written").iter().all(|second| second.second < 3));
        }
        let mut late = IntervalRow { latency: Some(Hist::new()), ..row };
        late.fates.add(Fate::TimedOut, 2);
        late.causes.insert("no answer within the timeout".into(), 2);
        late.latency.iter_mut().for_each(|latency| (0..2).for_each(|_| latency.record_us(9_900_000)));
        recorder.row(&Entry::Interval(late)).expect("written");
        recorder.row(&Entry::End(EndRow { at_us: 15_000_000, ended: Ended::Completed })).expect("written");
        recorder.rest(15_000_000).expect("written");
        recorder.finish().await.expect("written");
        let mut replayed = SeriesBuilder::default();
        let analysis = replay(folder.path(), |second| replayed.push(second)).expect("a record");
        let (drawn, replayed) = (recorder.series().to_json(), replayed.finish(&analysis).to_json());
        assert!(replayed.contains("no answer within the timeout"), "{replayed}");
        assert_eq!(drawn, replayed);
    }
}

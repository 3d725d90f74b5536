//! Files that grow while a run goes on, written by a thread of their own: a slow disk holds up nobody who measures.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// Writes and bytes that wait for the disk. A run writes a few hundred KB a second: minutes of it fit.
const WRITES_MAX: usize = 16_384;
const BYTES_MAX: usize = 64 << 20;

/// The thread that writes.
#[derive(Debug, Clone)]
pub(crate) struct Scribe {
    jobs: SyncSender<Job>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that wait.
    waiting: AtomicUsize,
    /// The first write that did not work; nothing is written after it.
    failure: Mutex<Option<(io::ErrorKind, String)>>,
}

enum Job {
    Write(Arc<File>, Vec<u8>),
    /// Everything before it was written.
    Tell(oneshot::Sender<()>),
    Then(Box<dyn FnOnce() -> io::Result<()> + Send>),
}

/// One file of a scribe's. What is written to it is on its way; an error is that of an earlier write.
#[derive(Debug)]
pub(crate) struct ScribedFile {
    file: Arc<File>,
    scribe: Scribe,
}

impl Scribe {
    /// # Errors
    /// Where the system has no thread left.
    pub(crate) fn start() -> io::Result<Self> {
        Self::with_room(WRITES_MAX)
    }

    fn with_room(writes: usize) -> io::Result<Self> {
        let (jobs, taken) = sync_channel(writes);
        let state = Arc::new(State::default());
        let own = Arc::clone(&state);
        std::thread::Builder::new().name("scribe".into()).spawn(move || write_all(&taken, &own))?;
        Ok(Self { jobs, state })
    }

    pub(crate) fn file(&self, file: File) -> ScribedFile {
        ScribedFile { file: Arc::new(file), scribe: self.clone() }
    }

    /// Waits until everything is with the kernel, `bound` at most.
    ///
    /// # Errors
    /// The first write that did not work, or that the disk is too slow.
    pub(crate) async fn finish(&self, bound: Duration) -> io::Result<()> {
        let (told, tells) = oneshot::channel();
        self.give(Job::Tell(told))?;
        // An answer that never comes: the thread is gone, which only a failure does.
        timeout(bound, tells).await.map_err(|_| too_slow())?.map_err(|_| too_slow())?;
        self.state.check()
    }

    /// Does something with files once everything before was written.
    pub(crate) fn then(&self, job: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
        self.give(Job::Then(Box::new(job)))
    }

    fn give(&self, job: Job) -> io::Result<()> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => too_slow(),
            TrySendError::Disconnected(_) => io::Error::other("the thread that writes has ended"),
        })
    }
}

impl State {
    fn check(&self) -> io::Result<()> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((kind, what)) => Err(io::Error::new(*kind, what.clone())),
            None => Ok(()),
        }
    }

    fn fail(&self, error: &io::Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert((error.kind(), error.to_string()));
    }
}

impl Write for ScribedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let state = &self.scribe.state;
        state.check()?;
        if state.waiting.load(Ordering::Relaxed) + bytes.len() > BYTES_MAX {
            return Err(too_slow());
        }
        state.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        let given = self.scribe.give(Job::Write(Arc::clone(&self.file), bytes.to_vec()));
        if given.is_err() {
            state.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
        given.map(|()| bytes.len())
    }

    /// It is on its way already.
    fn flush(&mut self) -> io::Result<()> {
        self.scribe.state.check()
    }
}

fn write_all(jobs: &Receiver<Job>, state: &State) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Write(file, bytes) => {
                if state.check().is_ok()
                    && let Err(error) = file.as_ref().write_all(&bytes)
                {
                    state.fail(&error);
                }
                state.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
            }
            Job::Then(job) => {
                if state.check().is_ok()
                    && let Err(error) = job()
                {
                    state.fail(&error);
                }
            }
            Job::Tell(told) => drop(told.send(())),
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the disk does not keep up with what is written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    const BOUND: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn what_is_written_is_there_after_the_finish_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let scribe = Scribe::start().expect("a thread");
        let mut file = scribe.file(File::create(&path).expect("created"));
        for number in 0..1_000 {
            writeln!(file, "{number}").expect("there is room");
        }
        let (before, after) = (path.clone(), path.with_extension("after"));
        let moved = after.clone();
        scribe.then(move || std::fs::rename(before, moved)).expect("there is room");
        scribe.finish(BOUND).await.expect("written");
        let expected: String = (0..1_000).map(|number| format!("{number}\n")).collect();
        assert!(!path.exists());
        assert_eq!(std::fs::read_to_string(&after).expect("there"), expected);
        assert_eq!(scribe.state.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_disk_that_is_full_is_told() {
        let scribe = Scribe::start().expect("a thread");
        let mut file = scribe.file(File::options().write(true).open("/dev/full").expect("Linux has one"));
        file.write_all(b"x").expect("taken");
        let error = scribe.finish(BOUND).await.expect_err("it is full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(file.write(b"y").is_err() && file.flush().is_err());
    }

    /// A pipe that nobody reads takes 64 KB and then no more.
    #[tokio::test]
    async fn a_disk_that_stands_still_is_an_error_and_no_hang() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let scribe = Scribe::with_room(4).expect("a thread");
        let mut file = scribe.file(File::from(std::os::fd::OwnedFd::from(writer)));
        let chunk = vec![b'x'; 40_000];
        let refused = (0..20).find_map(|_| file.write(&chunk).err()).expect("it does not go on for ever");
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        let mut reader = reader;
        drop(file);
        let slow = scribe.finish(Duration::from_millis(50)).await.expect_err("still standing");
        assert_eq!(slow.kind(), io::ErrorKind::TimedOut);
        drop(scribe);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).expect("the thread goes on and ends");
        assert!(read.len().is_multiple_of(chunk.len()));
    }
}

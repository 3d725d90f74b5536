//! Who comes first where processors are scarce: the supervisor, which needs little, before the replicas that it watches.

use rustix::process::{getpriority_process, setpriority_process};

/// So much better than it was started the supervisor runs, where it may: as root, by CAP_SYS_NICE, or by RLIMIT_NICE.
const BETTER_BY: i32 = 10;

/// Puts this thread before others. The nice value that it had: its children take it back.
pub(super) fn come_first() -> i32 {
    let before = getpriority_process(None).unwrap_or(0);
    if setpriority_process(None, before.saturating_sub(BETTER_BY)).is_err() {
        tracing::debug!("the supervisor may not run before its replicas");
    }
    before
}

/// Gives up what a child inherits of the supervisor's place, before it starts threads.
pub(super) fn stand_back(nice: i32) {
    // To become nicer is always allowed.
    let _ = setpriority_process(None, nice);
}

/// Starts a child that has this nice value from its first instruction: what it takes to begin does not come before those that
/// serve.
pub(super) fn start_at<T>(nice: i32, start: impl FnOnce() -> T) -> T {
    let own = getpriority_process(None).unwrap_or(nice);
    let _ = setpriority_process(None, nice);
    let started = start();
    // Who may come first may do so again.
    let _ = setpriority_process(None, own);
    started
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_as_nice_as_the_supervisor_was() {
        // The value is of a thread.
        let child = std::thread::spawn(|| {
            let before = come_first();
            let first = getpriority_process(None).expect("it can be read");
            assert!(first <= before && first >= before - BETTER_BY, "{before} became {first}");
            let inherited = start_at(before, || std::thread::spawn(|| getpriority_process(None)).join());
            assert_eq!(inherited.expect("it ends in order"), Ok(before));
            assert_eq!(getpriority_process(None), Ok(first), "it comes first again");
            stand_back(before);
            (before, getpriority_process(None).expect("it can be read"))
        });
        let (before, after) = child.join().expect("the thread ends in order");
        assert_eq!(before, after);
    }
}

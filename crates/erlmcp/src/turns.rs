//! Long turns for the processes of which many share a machine: replicas and agents.

use rustix::process::{getpriority_process, setpriority_process};
use thread_priority::unix::set_thread_priority_and_policy;
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, thread_native_id};

/// Of the library's 0 to 99 the one that it turns into a nice value of 0.
const NICE_0: u8 = 48;

/// Puts this thread, and those that it starts, under `SCHED_BATCH` (sched(7)): where the cores are busy a message then
/// waits for its reader's next turn, in which the reader takes all that have come, and does not interrupt who has the core
/// for each one. An idle core is given at once, as ever.
pub(crate) fn take_long_turns() {
    let nice = getpriority_process(None);
    let usual = NICE_0.try_into().map_or(ThreadPriority::Max, ThreadPriority::Crossplatform);
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    // After the policy it sets a nice value, too; the one that was there comes back.
    let _ = set_thread_priority_and_policy(thread_native_id(), usual, policy);
    if let Ok(nice) = nice {
        let _ = setpriority_process(None, nice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of `SCHED_BATCH`.
    const BATCH: &str = "3";

    #[test]
    fn the_policy_is_handed_down_and_the_nice_value_stays() {
        let policy = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("it can be read");
            let after_name = stat.rsplit(") ").next().expect("fields").to_owned();
            // proc_pid_stat(5): the 41st field; the name is the second.
            after_name.split(' ').nth(41 - 3).expect("a field").to_owned()
        };
        let (before, after, inherited) = std::thread::spawn(move || {
            let before = (policy(), getpriority_process(None));
            take_long_turns();
            let inherited = std::thread::spawn(policy).join().expect("it ends");
            (before, (policy(), getpriority_process(None)), inherited)
        })
        .join()
        .expect("it ends");
        assert_eq!((before.0.as_str(), before.1), ("0", after.1), "{after:?}");
        assert_eq!((after.0.as_str(), inherited.as_str()), (BATCH, BATCH));
    }
}

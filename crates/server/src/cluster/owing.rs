//! Messages that a process must not miss: what it has no room for now is owed to it.

use super::messages::{Line, ToReplica};
use super::supervisor::Supervisor;
use crate::session::Word;

/// A process: the replica that it is, and which of its lives.
pub(super) type Process = (u16, u64);

/// Messages that processes had no room for.
pub(super) type Owed = Vec<(Process, Line)>;

/// Messages that may be owed before words of clients are dropped.
const OWED_MAX: usize = 4_096;

impl Supervisor {
    /// Tells a process what it must not miss: what it does not take now is owed to it.
    pub(super) fn tell(&mut self, to: Process, message: &ToReplica) {
        let Some(process) = self.slots.get(&to.0).and_then(|slot| slot.process_of(to.1)) else { return };
        let line = message.to_line();
        if !process.try_say(&line) {
            self.owed.push((to, line));
        }
    }

    /// A client has said something that may concern another replica, or another machine.
    pub(super) fn heard(&mut self, by: Process, word: Word) {
        if let Some(machines) = &self.machines {
            machines.heard(&word);
        }
        self.spread_word(Some(by), word);
    }

    /// Tells all replicas of this machine but the one that has said it.
    pub(super) fn spread_word(&mut self, by: Option<Process>, word: Word) {
        self.endings.wished(&word);
        let line = ToReplica::Heard(word).to_line();
        for slot in self.slots.values() {
            for (life, process) in slot.processes().filter(|(life, _)| Some((slot.replica, *life)) != by) {
                // One that leaves so much unread is stuck, or will be told too late anyway.
                if !process.try_say(&line) && self.owed.len() < OWED_MAX {
                    self.owed.push(((slot.replica, life), Line::clone(&line)));
                }
            }
        }
    }

    /// After every happening: says what is owed to whoever has room for it now; a process that is gone is owed nothing.
    pub(super) fn say_owed(&mut self) {
        let slots = &self.slots;
        self.owed.retain(|((replica, life), line)| {
            let process = slots.get(replica).and_then(|slot| slot.process_of(*life));
            process.is_some_and(|process| !process.try_say(line))
        });
    }
}

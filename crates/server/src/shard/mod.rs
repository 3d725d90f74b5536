//! A shard: one thread, its connections and their deadlines.

mod mailbox;

pub(crate) use mailbox::Mailbox;

/// Names a connection of a shard for as long as it lives: a key is used again, a generation is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnToken {
    pub(crate) key: u32,
    pub(crate) generation: u32,
}

impl ConnToken {
    pub(crate) fn new(key: u32, generation: u32) -> Self {
        Self { key, generation }
    }
}

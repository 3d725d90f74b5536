//! Operations beside the load, from their beginning to their end.

use std::net::SocketAddr;

use tokio::task::JoinHandle;

use crate::operations::{Counts, NoOperations, Operations, Wanted};

#[derive(Debug)]
pub(super) enum UnderWay {
    None,
    Running(u32, Operations),
    Ending(u32, JoinHandle<Result<Counts, NoOperations>>),
    Over(u32, Result<Counts, String>),
}

impl UnderWay {
    /// Begins them, once.
    pub(super) fn begin(&mut self, block: u32, wanted: &Wanted<'_>) -> Result<(), NoOperations> {
        if matches!(self, Self::None) {
            *self = Self::Running(block, Operations::begin(wanted)?);
        }
        Ok(())
    }

    /// Begins their end. False where the block is another.
    pub(super) fn end(&mut self, of: u32) -> bool {
        match std::mem::replace(self, Self::None) {
            Self::Running(block, operations) if block == of => {
                *self = Self::Ending(block, tokio::spawn(operations.end()));
                true
            }
            other => {
                *self = other;
                matches!(self, Self::Ending(block, _) | Self::Over(block, _) if *block == of)
            }
        }
    }

    /// Until they are over, if they are ending. Can be dropped and called again.
    pub(super) async fn over(&mut self) {
        let Self::Ending(block, ending) = self else { return std::future::pending().await };
        let counts = match ending.await {
            Ok(counts) => counts.map_err(|error| error.to_string()),
            Err(error) => Err(format!("the operations have ended with an internal error: {error}")),
        };
        *self = Self::Over(*block, counts);
    }

    /// The block, once, after they are over.
    pub(super) fn take_ended(&mut self) -> Result<Option<u32>, String> {
        let Self::Over(block, counts) = self else { return Ok(None) };
        let (block, counts) = (*block, counts.clone()?);
        tracing::info!("operations: {counts:?}");
        *self = Self::None;
        Ok(Some(block))
    }

    /// They go to these addresses from now on.
    pub(super) fn follow(&self, endpoints: &[(u16, SocketAddr)]) {
        if let Self::Running(_, operations) = self {
            operations.follow(endpoints);
        }
    }

    /// Open connections by replica.
    pub(super) fn connections(&self) -> Vec<(u16, u64)> {
        match self {
            Self::Running(_, operations) => operations.connections(),
            _ => Vec::new(),
        }
    }
}

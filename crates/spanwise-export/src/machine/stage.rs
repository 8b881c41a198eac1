//! The stages of a turn, and of a shutdown.

use std::time::Instant;

/// How far a turn has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    Drain,
    Send,
    Relieve,
    RelieveDrain(Relief),
    RelieveSend(Relief),
    RelieveEnd(Relief),
    Report,
    Reply,
    Wait,
    /// The shutdown is due: from here on nothing is sent.
    Cancel,
    Cancelling(Instant),
    DrainRest(u32),
    BookRest,
    Finish,
}

/// The state before memory was freed for spans that are refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relief {
    pub(super) is_stalled: bool,
    pub(super) charged: usize,
    pub(super) queued: usize,
}

/// Why a drain was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Drain {
    Full,
    /// Of every slot, at this time.
    All(Instant),
    /// Of every slot, because open chunks may hold the memory that spans are refused for.
    ForMemory,
    /// At the end, after this many tries.
    Rest(u32),
}

impl Stage {
    /// Whether the shutdown has begun to book the rest.
    pub(super) fn is_closing(self) -> bool {
        matches!(
            self,
            Self::Cancel | Self::Cancelling(_) | Self::DrainRest(_) | Self::BookRest | Self::Finish
        )
    }
}

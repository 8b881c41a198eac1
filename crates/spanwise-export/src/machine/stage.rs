//! The stages of a turn, and of a shutdown.

use std::time::Instant;

/// The progress of a turn.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    Drain,
    /// Releases held chunks.
    Release,
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
    /// Stores the spans that are left.
    StoreRest,
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

/// The purpose of a drain.
#[derive(Debug, Clone, Copy)]
pub(super) enum Drain {
    /// Drains the full chunks.
    Full,
    /// Drains every slot, at this time.
    All(Instant),
    /// Drains every slot, because traces wait for what they hold.
    Roots,
    /// Drains every slot if this number of spans waits.
    Batch(usize),
    /// Drains every slot, because open chunks may hold the memory that refused spans need.
    ForMemory,
    /// Drains every slot at the end, after this number of tries.
    Rest(u32),
}

impl Stage {
    /// Whether the shutdown has begun to book the remaining spans.
    pub(super) fn is_closing(self) -> bool {
        matches!(
            self,
            Self::Cancel
                | Self::Cancelling(_)
                | Self::DrainRest(_)
                | Self::StoreRest
                | Self::BookRest
                | Self::Finish
        )
    }
}

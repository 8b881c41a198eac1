use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, Release};

use crate::thread_counters::ThreadCounters;
use crate::{Counter, DropReason};

/// The counters that all clones of one [`Ledger`](crate::Ledger) share.
pub(crate) struct Account {
    /// Incremented by application threads.
    pub(crate) starts: ThreadCounters,
    pub(crate) outcomes: Outcomes,
    pub(crate) counters: Counters,
}

/// Sinks. Aligned apart from the counters and the starts, because other threads increment them.
#[repr(align(128))]
pub(crate) struct Outcomes {
    pub(crate) exported: AtomicU64,
    pub(crate) dropped: [AtomicU64; DropReason::ALL.len()],
    pub(crate) tail_not_sampled: AtomicU64,
    pub(crate) tail_dropped: AtomicU64,
    /// Spans on disk now.
    pub(crate) spooled: AtomicU64,
    /// Spans of earlier processes. No outcome, but a source, as the starts are.
    pub(crate) recovered: AtomicU64,
    /// Spans whose tickets have no outcome yet.
    pub(crate) ticketed: AtomicU64,
    /// Started spans that a later decision did not sample.
    pub(crate) sampled_out_late: AtomicU64,
    pub(crate) recorded_only: RecordedOnly,
}

/// Spans that are recorded and not sampled.
pub(crate) struct RecordedOnly {
    /// Those that no exporter gets, by [`ParentOrigin`](crate::ParentOrigin). They are among those that are sampled out.
    pub(crate) started: [AtomicU64; 3],
    /// Started spans that a later decision records and does not sample.
    pub(crate) late: AtomicU64,
    pub(crate) ended: AtomicU64,
}

#[repr(align(128))]
pub(crate) struct Counters(pub(crate) [AtomicU64; Counter::ALL.len()]);

impl Account {
    pub(crate) fn exported(&self, spans: u64) {
        // ORDER: Release, after the spans' `started`; pairs with the Acquire load in `snapshot`.
        self.outcomes.exported.fetch_add(spans, Release);
    }

    pub(crate) fn dropped(&self, reason: DropReason, spans: u64) {
        if let Some(count) = self.outcomes.dropped.get(reason as usize) {
            // ORDER: as in `exported`.
            count.fetch_add(spans, Release);
        }
    }

    pub(crate) fn tail_not_sampled(&self, spans: u64) {
        // ORDER: as in `exported`.
        self.outcomes.tail_not_sampled.fetch_add(spans, Release);
    }

    pub(crate) fn tail_dropped(&self, spans: u64) {
        // ORDER: as in `exported`.
        self.outcomes.tail_dropped.fetch_add(spans, Release);
    }

    pub(crate) fn spooled(&self, spans: u64) {
        // ORDER: as in `exported`.
        self.outcomes.spooled.fetch_add(spans, Release);
    }

    /// Takes up to `spans` spans off the disk. Returns their number.
    pub(crate) fn unspool(&self, spans: u64) -> u64 {
        let take = |spooled: u64| Some(spooled.saturating_sub(spans));
        // ORDER: Release extends the sequence of the increments, which `snapshot` synchronises with. An outcome that the spans
        // have later is a Release increment after this one: a snapshot that reads it reads this too.
        let before = self.outcomes.spooled.fetch_update(Release, Relaxed, take);
        before.map_or(0, |before| before.min(spans))
    }

    pub(crate) fn recovered(&self, spans: u64) {
        // Relaxed: the spans' outcomes, which come later, are Release increments.
        self.outcomes.recovered.fetch_add(spans, Relaxed);
    }

    pub(crate) fn new() -> Self {
        Account {
            starts: ThreadCounters::new(),
            outcomes: Outcomes {
                exported: AtomicU64::new(0),
                dropped: [const { AtomicU64::new(0) }; DropReason::ALL.len()],
                tail_not_sampled: AtomicU64::new(0),
                tail_dropped: AtomicU64::new(0),
                spooled: AtomicU64::new(0),
                recovered: AtomicU64::new(0),
                ticketed: AtomicU64::new(0),
                sampled_out_late: AtomicU64::new(0),
                recorded_only: RecordedOnly {
                    started: [const { AtomicU64::new(0) }; 3],
                    late: AtomicU64::new(0),
                    ended: AtomicU64::new(0),
                },
            },
            counters: Counters([const { AtomicU64::new(0) }; Counter::ALL.len()]),
        }
    }
}

//! The batch sizes that are compared.

use spanwise::batch::{AdaptiveBatchSize, BatchLimits, BatchSize};
use spanwise::export::ExporterBuilder;
use std::fmt;

/// A batch size with the settings that belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    Spanwise,
    /// The exporter's default: requests as large as their memory, looked for at each tick.
    Default,
    Dynamic,
    /// This number of spans, always.
    Fixed(usize),
}

impl Contestant {
    pub(super) const ALL: [Self; 10] = [
        Self::Spanwise,
        Self::Default,
        Self::Dynamic,
        Self::Fixed(128),
        Self::Fixed(256),
        Self::Fixed(512),
        Self::Fixed(1024),
        Self::Fixed(2048),
        Self::Fixed(4096),
        Self::Fixed(8192),
    ];

    pub(super) fn is_fixed(self) -> bool {
        matches!(self, Self::Fixed(_))
    }

    /// The class of its line in style sheets.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Spanwise => "ours",
            Self::Default => "trend",
            Self::Dynamic => "document",
            Self::Fixed(_) => "fixed",
        }
    }

    /// An exporter with this batch size. All but the document's have our delay and our byte budget.
    pub(super) fn configure(self, builder: ExporterBuilder) -> ExporterBuilder {
        match self {
            Self::Spanwise => {
                builder.with_batch_size(BatchSize::Adaptive(AdaptiveBatchSize::default()))
            }
            Self::Default => builder,
            // Its loop exports by itself: one request at a time.
            Self::Dynamic => builder
                .with_batch_size(BatchSize::Dynamic)
                .with_max_queue_size(BatchSize::DYNAMIC_QUEUE_SIZE)
                .with_scheduled_delay(BatchSize::DYNAMIC_DELAY)
                .with_max_in_flight(1),
            Self::Fixed(spans) => {
                builder.with_batch_size(BatchSize::Fixed(BatchLimits::spans(spans)))
            }
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spanwise => f.pad("Spanwise"),
            Self::Default => f.pad("the default"),
            Self::Dynamic => f.pad("the document's"),
            Self::Fixed(spans) => f.pad(&format!("fixed {spans}")),
        }
    }
}

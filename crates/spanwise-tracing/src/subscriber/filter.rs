//! [`Filter`]: the spans and events that a subscriber records.

use tracing_core::{LevelFilter, Metadata};
use tracing_subscriber::filter::Targets;

/// A level, and levels by target. `tracing` asks once for each callsite.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) max_level: LevelFilter,
    pub(super) targets: Option<Targets>,
}

impl Filter {
    pub(super) fn enables(&self, metadata: &Metadata<'_>) -> bool {
        let is_enabled =
            |targets: &Targets| targets.would_enable(metadata.target(), metadata.level());
        *metadata.level() <= self.max_level && self.targets.as_ref().is_none_or(is_enabled)
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self { max_level: LevelFilter::INFO, targets: None }
    }
}

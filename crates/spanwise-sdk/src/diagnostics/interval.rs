//! How often reports of a kind are made.

use std::time::Duration;

/// Between two reports of a kind.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(30);

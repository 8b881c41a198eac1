//! The interval between reports of one kind.

use std::time::Duration;

/// The least time between two reports of one kind.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(30);

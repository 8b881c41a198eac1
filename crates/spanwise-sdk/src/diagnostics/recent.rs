//! [`RecentDiagnostics`]: the latest reports, for the live view.

use super::diagnostic::Diagnostic;
use super::level::LogLevel;
use spanwise_worker::{clock, sanitize};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A report of the provider about itself, with the time at which it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveDiagnostic {
    /// The time in nanoseconds since the Unix epoch.
    pub unix_nanos: u64,
    /// The severity.
    pub level: LogLevel,
    /// The line, of at most 1 KiB: see [`Diagnostic`].
    pub message: String,
}

/// The latest 32 reports.
#[derive(Default)]
pub(super) struct RecentDiagnostics {
    reports: Mutex<VecDeque<LiveDiagnostic>>,
}

impl RecentDiagnostics {
    /// Adds a report in place of the oldest. Reports are rare: at most two of a kind in a minute.
    pub(super) fn push(&self, diagnostic: &Diagnostic) {
        let report = LiveDiagnostic {
            unix_nanos: clock::unix_nanos(),
            level: diagnostic.level(),
            message: sanitize(&diagnostic.to_string(), MAX_MESSAGE_BYTES),
        };
        let mut reports = self.lock();
        if reports.len() >= CAPACITY {
            reports.pop_front();
        }
        reports.push_back(report);
    }

    /// The reports, the newest last.
    pub(super) fn list(&self) -> Vec<LiveDiagnostic> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<LiveDiagnostic>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const CAPACITY: usize = 32;
const MAX_MESSAGE_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_reports_are_retained_in_their_order() {
        let recent = RecentDiagnostics::default();
        for number in 0..CAPACITY + 3 {
            recent.push(&Diagnostic::ReceiverWarned { message: format!("number {number}\n") });
        }
        let list = recent.list();
        assert_eq!(list.len(), CAPACITY);
        assert!(list.first().is_some_and(|it| it.message.contains("number 3")), "{list:?}");
        assert!(list.last().is_some_and(|it| it.message.contains("number 34")), "{list:?}");
        assert!(list.iter().all(|it| it.level == LogLevel::Warn && !it.message.contains('\n')));
    }

    #[test]
    fn a_long_report_is_cut() {
        let recent = RecentDiagnostics::default();
        recent.push(&Diagnostic::ConfigFileWarning { warning: "x".repeat(100_000) });
        assert!(recent.list().iter().all(|it| it.message.len() <= MAX_MESSAGE_BYTES));
    }
}

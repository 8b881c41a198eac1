//! [`CertificateHealth`]: certificate files that changed and cannot be used, and the end of that.

use super::diagnostic::Diagnostic;
use super::interval::REPORT_INTERVAL;
use super::reporter::Reporter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Reports each failure to reload certificate files once, and the first success after it once.
///
/// Files that begin to fail again within half a minute of the last report are reported when it is over.
#[derive(Clone)]
pub(crate) struct CertificateHealth {
    reporter: Reporter,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Since when the files cannot be used; `None` while they can.
    failing: Option<Instant>,
    /// The failures that were reported since then.
    reported: Vec<String>,
    last_report: Option<Instant>,
}

impl CertificateHealth {
    pub(crate) fn new(reporter: Reporter) -> Self {
        Self { reporter, state: Arc::default() }
    }

    /// A connection found changed files that cannot be used.
    pub(crate) fn failed(&self, now: Instant, error: String) {
        let mut state = self.lock();
        state.failing.get_or_insert(now);
        let is_another = !state.reported.contains(&error) && state.reported.len() < MAX_FAILURES;
        let is_recent = state.last_report.is_some_and(|last| now < last + REPORT_INTERVAL);
        // One outage may have several failures: the certificate is replaced before its key.
        if !is_another || (state.reported.is_empty() && is_recent) {
            return;
        }
        state.reported.push(error.clone());
        state.last_report = Some(now);
        drop(state);
        self.reporter.report(Diagnostic::CertificatesNotReloaded { error });
    }

    /// The files that changed are in use.
    pub(crate) fn reloaded(&self, now: Instant) {
        let mut state = self.lock();
        let reported = std::mem::take(&mut state.reported);
        let Some(since) = state.failing.take() else { return };
        drop(state);
        if !reported.is_empty() {
            let after = now.saturating_duration_since(since);
            self.reporter.report(Diagnostic::CertificatesReloaded { after });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Failures that are reported in one outage.
const MAX_FAILURES: usize = 4;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_failure_is_reported_once_and_so_is_the_end_of_an_outage() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let received = lines.clone();
        let reporter = Reporter::new(Arc::new(move |diagnostic: &Diagnostic| {
            received.lock().unwrap().push(diagnostic.to_string());
        }));
        let taken = || {
            reporter.flush(Duration::from_secs(60));
            std::mem::take(&mut *lines.lock().unwrap())
        };
        let (health, start) = (CertificateHealth::new(reporter.clone()), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        health.reloaded(at(0));
        assert!(taken().is_empty(), "a success without a failure is no report");
        for second in 1..100 {
            health.failed(at(second), "half a file".to_owned());
            health.failed(at(second), "another key".to_owned());
        }
        let reported = taken();
        assert_eq!(reported.len(), 2, "{reported:?}");
        assert!(reported[0].ends_with("half a file") && reported[1].ends_with("another key"));
        for _ in 0..3 {
            health.reloaded(at(101));
        }
        let reported = taken();
        assert_eq!(reported.len(), 1, "{reported:?}");
        assert!(reported[0].contains("after 100.0s"), "{reported:?}");
        // A file that changes all the time makes no flood.
        let mut reports = 0;
        for second in 102..1_000 {
            health.failed(at(second), format!("failure {second}"));
            health.reloaded(at(second));
            reports += taken().len();
        }
        assert!((50..=60).contains(&reports), "{reports}");
        // A failure that lasts is reported at last.
        health.failed(at(1_000), "last".to_owned());
        health.failed(at(1_031), "last".to_owned());
        assert_eq!(taken().len(), 1);
        // Distinct failures of one outage are bounded.
        (0..50).for_each(|nth| health.failed(at(1_040), format!("failure {nth}")));
        assert_eq!(taken().len(), MAX_FAILURES - 1);
    }
}

//! Detection of a guard that the program drops before its first span, usually by mistake.

use super::handle::Handle;
use crate::diagnostics::Diagnostic;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl Handle {
    /// Records the drop of the guard. A program that starts its first span afterwards has a mistake, which
    /// [`not_recorded`](Self::not_recorded) reports.
    pub(super) fn guard_dropped(&self) {
        if self.core.is_running() && self.core.ledger.snapshot().created == 0 {
            self.reporter().hold_open();
            let lived = u64::try_from(self.built.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.unused_for.store(lived.max(1), Relaxed);
        }
    }

    /// Reports the first span that starts after the guard was dropped.
    ///
    /// The call that reports waits for the handler for at most 20 ms, because the program may end at once.
    pub(crate) fn not_recorded(&self) {
        if self.unused_for.load(Relaxed) == 0 {
            return;
        }
        let lived = self.unused_for.swap(0, Relaxed);
        if lived > 0 {
            self.reporter().report(Diagnostic::GuardDropped { after: Duration::from_nanos(lived) });
            self.reporter().close_held_open();
            self.reporter().flush(HANDLER_WAIT);
        }
    }
}

/// The longest wait of the call that reports for the diagnostics handler.
const HANDLER_WAIT: Duration = Duration::from_millis(20);

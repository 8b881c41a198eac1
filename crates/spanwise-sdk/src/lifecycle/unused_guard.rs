//! A guard that is dropped before the first span: a mistake that a program does not notice by itself.

use super::handle::{Handle, THREAD_EXIT};
use crate::diagnostics::Diagnostic;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl Handle {
    /// The guard is dropped. If nothing was traced before, and something is to be traced later, the
    /// program has a mistake that it would not notice otherwise.
    pub(super) fn guard_dropped(&self) {
        if self.core.is_running() && self.core.ledger.snapshot().created == 0 {
            self.reporter().hold_open();
            let lived = u64::try_from(self.built.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.unused_for.store(lived.max(1), Relaxed);
        }
    }

    /// A span was started that cannot be recorded.
    ///
    /// Once, and in a program that records nothing, this waits for the report, 20 ms at most: such a
    /// program may end at once.
    pub(crate) fn not_recorded(&self) {
        if self.unused_for.load(Relaxed) == 0 {
            return;
        }
        let lived = self.unused_for.swap(0, Relaxed);
        if lived > 0 {
            self.reporter().report(Diagnostic::GuardDropped { after: Duration::from_nanos(lived) });
            self.reporter().close_held_open();
            self.reporter().flush(THREAD_EXIT);
        }
    }
}

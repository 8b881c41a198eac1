//! [`StopSignal`]: ends a thread that waits most of the time.

use spanwise_worker::fork;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Ends a thread that waits for it. Clones share it.
#[derive(Clone)]
pub(crate) struct StopSignal {
    shared: Arc<Shared>,
}

struct Shared {
    is_stopped: Mutex<bool>,
    stopped: Condvar,
    /// The process of the thread: see [`fork::generation`].
    process: u32,
}

impl StopSignal {
    pub(crate) fn new() -> Self {
        let (is_stopped, stopped) = (Mutex::new(false), Condvar::new());
        Self { shared: Arc::new(Shared { is_stopped, stopped, process: fork::generation() }) }
    }

    /// Ends the thread, and does not wait for its end.
    pub(crate) fn stop(&self) {
        // A forked child has no such thread, and perhaps a lock that no thread releases.
        if fork::generation() == self.shared.process {
            *self.shared.is_stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.shared.stopped.notify_all();
        }
    }

    /// Waits for `timeout`. Returns whether the thread is to end.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let is_stopped = self.shared.is_stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = &self.shared.stopped;
        let waited = stopped.wait_timeout_while(is_stopped, timeout, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_ends_a_wait_that_began_before_or_begins_after_it() {
        let signal = StopSignal::new();
        assert!(!signal.wait(Duration::from_millis(1)));
        let waiting = signal.clone();
        let thread = std::thread::spawn(move || waiting.wait(Duration::from_secs(60)));
        signal.stop();
        assert!(thread.join().is_ok_and(|is_stopped| is_stopped));
        assert!(signal.wait(Duration::from_secs(60)));
    }
}

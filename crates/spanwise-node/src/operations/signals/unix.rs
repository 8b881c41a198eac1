//! SIGTERM, SIGINT and SIGHUP.

use super::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The signals since the last call. There is one in a process: its handlers stay.
#[derive(Debug)]
pub(crate) struct Signals {
    /// The last signal that ends the process; 0 for none.
    terminate: Arc<AtomicUsize>,
    reload: Arc<AtomicBool>,
    /// Each signal writes a byte behind its flag.
    wake: UnixStream,
}

impl Signals {
    /// Registers the handlers: SIGTERM and SIGINT end the process, the second of them at once and without a drain, with the exit status
    /// 130 or 143; SIGHUP reloads.
    ///
    /// # Errors
    /// The system refuses one.
    pub(crate) fn register() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        let terminate = Arc::new(AtomicUsize::new(0));
        let reload = Arc::new(AtomicBool::new(false));
        let is_ending = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag false, and sets it.
            flag::register_conditional_shutdown(signal, BY_SIGNAL + signal, is_ending.clone())?;
            flag::register(signal, is_ending.clone())?;
            let value = usize::try_from(signal).map_err(io::Error::other)?;
            flag::register_usize(signal, terminate.clone(), value)?;
            pipe::register(signal, write.try_clone()?)?;
        }
        flag::register(SIGHUP, reload.clone())?;
        pipe::register(SIGHUP, write)?;
        Ok(Self { terminate, reload, wake })
    }

    /// Waits for a signal until `until`. A signal that ends the process comes before a reload.
    pub(crate) fn wait_until(&mut self, until: Instant) -> Option<Signal> {
        loop {
            if let Some(signal) = self.take() {
                return Some(signal);
            }
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return None;
            }
            let _at_least_a_microsecond = self.wake.set_read_timeout(Some(wait.max(SHORTEST)));
            // An error is the end of the wait: the flags decide.
            let _bytes = self.wake.read(&mut [0; 64]);
        }
    }

    fn take(&self) -> Option<Signal> {
        let name = match self.terminate.swap(0, Relaxed) {
            0 => return self.reload.swap(false, Relaxed).then_some(Signal::Reload),
            signal if i32::try_from(signal) == Ok(SIGINT) => "SIGINT",
            _ => "SIGTERM",
        };
        Some(Signal::Terminate(name))
    }
}

/// Shells add this to the number of the signal that ended a process.
const BY_SIGNAL: i32 = 128;
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use signal_hook::low_level::raise;

    /// One test, because handlers belong to the process. The tests of the binary send it the others.
    #[test]
    fn a_reload_is_taken_once_and_ends_a_wait() {
        let mut signals = Signals::register().unwrap();
        assert_eq!(signals.wait_until(Instant::now()), None);
        raise(SIGHUP).unwrap();
        raise(SIGHUP).unwrap();
        let patience = Instant::now() + Duration::from_secs(30);
        assert_eq!(signals.wait_until(patience), Some(Signal::Reload));
        assert_eq!(signals.wait_until(Instant::now() + Duration::from_millis(5)), None);
        let raiser = std::thread::spawn(|| raise(SIGHUP).unwrap());
        assert_eq!(signals.wait_until(patience), Some(Signal::Reload));
        raiser.join().unwrap();
        signals.terminate.store(usize::try_from(SIGINT).unwrap(), Relaxed);
        signals.reload.store(true, Relaxed);
        assert_eq!(signals.wait_until(patience), Some(Signal::Terminate("SIGINT")));
        assert_eq!(signals.wait_until(patience), Some(Signal::Reload));
    }
}

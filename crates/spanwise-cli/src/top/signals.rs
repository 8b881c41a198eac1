//! Signals that end or stop the command, which has to restore the terminal first.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A request to leave the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// The process ends by this signal once the terminal is restored.
    End(Signal),
    /// The process stops until it is continued.
    Stop,
}

/// The number of a signal.
pub(super) type Signal = i32;

/// The signals that arrived.
#[derive(Debug)]
pub(super) struct Signals {
    received: Arc<AtomicUsize>,
}

impl Signals {
    /// Registers the handlers, which stay.
    ///
    /// # Errors
    /// The system refuses one.
    pub(super) fn register() -> io::Result<Self> {
        let received = Arc::new(AtomicUsize::new(NONE));
        for &signal in imp::SIGNALS {
            imp::register(signal, &received)?;
        }
        Ok(Self { received })
    }

    /// The last signal since the last call.
    pub(super) fn take(&self) -> Option<Request> {
        let received = self.received.swap(NONE, Relaxed);
        let signal = Signal::try_from(received).ok().filter(|_| received != NONE)?;
        Some(if imp::is_stop(signal) { Request::Stop } else { Request::End(signal) })
    }
}

/// Does what the signal does to a process without a handler: ends it.
pub(super) fn end_by(signal: Signal) {
    imp::act(signal);
}

/// Stops the process until it is continued.
pub(super) fn stop() {
    imp::stop();
}

const NONE: usize = 0;

#[cfg(unix)]
mod imp {
    use super::Signal;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
    use signal_hook::{flag, low_level};
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    pub(super) const SIGNALS: &[Signal] = &[SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP];

    pub(super) fn register(signal: Signal, received: &Arc<AtomicUsize>) -> io::Result<()> {
        let value = usize::try_from(signal).map_err(io::Error::other)?;
        flag::register_usize(signal, received.clone(), value).map(drop)
    }

    pub(super) fn is_stop(signal: Signal) -> bool {
        signal == SIGTSTP
    }

    pub(super) fn act(signal: Signal) {
        let _unknown = low_level::emulate_default_handler(signal);
    }

    pub(super) fn stop() {
        act(SIGTSTP);
    }
}

#[cfg(not(unix))]
mod imp {
    use super::Signal;
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    /// Raw mode reports the keys that end a process as keys.
    pub(super) const SIGNALS: &[Signal] = &[];

    pub(super) fn register(_: Signal, _: &Arc<AtomicUsize>) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn is_stop(_: Signal) -> bool {
        false
    }

    pub(super) fn act(_: Signal) {}

    pub(super) fn stop() {}
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use signal_hook::consts::{SIGTSTP, SIGUSR1};
    use signal_hook::low_level::raise;

    #[test]
    fn a_signal_is_taken_once() {
        // A signal that no other test waits for.
        let received = Arc::new(AtomicUsize::new(NONE));
        imp::register(SIGUSR1, &received).unwrap();
        let signals = Signals { received };
        assert_eq!(signals.take(), None);
        raise(SIGUSR1).unwrap();
        assert_eq!(signals.take(), Some(Request::End(SIGUSR1)));
        assert_eq!(signals.take(), None);
        signals.received.store(usize::try_from(SIGTSTP).unwrap(), Relaxed);
        assert_eq!(signals.take(), Some(Request::Stop));
    }
}

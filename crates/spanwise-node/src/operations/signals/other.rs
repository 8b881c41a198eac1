//! Ctrl-C, on systems without the signals of Unix. No reload.

use super::Signal;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Whether Ctrl-C was pressed.
#[derive(Debug)]
pub(crate) struct Signals {
    is_ending: Arc<AtomicBool>,
    is_reported: bool,
}

impl Signals {
    /// Registers the handler. The second Ctrl-C ends the process at once.
    ///
    /// # Errors
    /// The system refuses it.
    pub(crate) fn register() -> io::Result<Self> {
        let is_ending = Arc::new(AtomicBool::new(false));
        flag::register_conditional_shutdown(SIGINT, STATUS, is_ending.clone())?;
        flag::register(SIGINT, is_ending.clone())?;
        Ok(Self { is_ending, is_reported: false })
    }

    /// Waits for Ctrl-C until `until`.
    pub(crate) fn wait_until(&mut self, until: Instant) -> Option<Signal> {
        loop {
            if !self.is_reported && self.is_ending.load(Relaxed) {
                self.is_reported = true;
                return Some(Signal::Terminate("SIGINT"));
            }
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return None;
            }
            thread::sleep(wait.min(LOOK_EVERY));
        }
    }
}

const STATUS: i32 = 130;
const LOOK_EVERY: Duration = Duration::from_millis(100);

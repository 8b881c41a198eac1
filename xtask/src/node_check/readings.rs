//! The account of a process, read again and again until its end.

use super::account::Account;
use super::admin::Admin;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// The account at one moment.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// When the answer was complete: its numbers are not younger.
    pub(super) at: SystemTime,
    pub(super) account: Account,
}

/// The thread that reads.
pub(super) struct Readings {
    stop: Sender<()>,
    thread: JoinHandle<Vec<Reading>>,
}

impl Readings {
    pub(super) fn start(admin: Admin) -> Self {
        let (stop, stopped) = channel();
        let thread = thread::spawn(move || {
            let mut readings = Vec::new();
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                match admin.account() {
                    Ok(account) => readings.push(Reading { at: SystemTime::now(), account }),
                    // The process was killed.
                    Err(_) => break,
                }
            }
            readings
        });
        Self { stop, thread }
    }

    /// All readings, in the order of time.
    pub(super) fn end(self) -> Vec<Reading> {
        let _ended_before = self.stop.send(());
        self.thread.join().unwrap_or_default()
    }
}

const INTERVAL: Duration = Duration::from_millis(4);

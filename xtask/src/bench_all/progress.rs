//! The line that shows how far a run is.

use super::row::Row;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

/// A line that is written over, with the time left; nothing if standard error is no terminal.
pub(super) struct Progress {
    started: Instant,
    done: usize,
    all: usize,
}

impl Progress {
    pub(super) fn new(all: usize) -> Self {
        Self { started: Instant::now(), done: 0, all }
    }

    /// Adds processes that were not planned.
    pub(super) fn add(&mut self, more: usize) {
        self.all += more;
    }

    pub(super) fn next(&mut self, row: &Row) {
        let left = match self.done {
            0 => String::new(),
            done => {
                let each = self.started.elapsed() / done as u32;
                let left: Duration = each * self.all.saturating_sub(done) as u32;
                format!("{} s left", left.as_secs())
            }
        };
        self.done += 1;
        self.line(&format!(
            "{:3}/{} {:<16} {:<24} {left}",
            self.done, self.all, row.workload, row.implementation
        ));
    }

    pub(super) fn done(&self) {
        self.line("");
    }

    fn line(&self, text: &str) {
        let mut out = stderr();
        if out.is_terminal() {
            // A terminal that was closed is no reason to stop.
            let _closed = write!(out, "\r\x1b[2K{text}");
            let _closed = out.flush();
        }
    }
}

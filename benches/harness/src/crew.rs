//! The threads that make the spans of a burst.

use crate::subject::{Subject, measured_run};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Threads that start a burst together.
pub(crate) struct Crew {
    threads: u64,
    start: Barrier,
    end: Barrier,
    /// Threads that left the barrier: waking takes microseconds, spinning does not.
    awake: AtomicU64,
    longest: AtomicU64,
    dismissed: AtomicBool,
}

impl Crew {
    pub(crate) fn new(threads: u64) -> Self {
        Self {
            threads,
            start: Barrier::new(threads as usize),
            end: Barrier::new(threads as usize),
            awake: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            dismissed: AtomicBool::new(false),
        }
    }

    pub(crate) fn threads(&self) -> u64 {
        self.threads
    }

    /// Runs `share` operations on each thread; returns the time of the slowest one.
    pub(crate) fn run(&self, subject: &dyn Subject, share: u64) -> Duration {
        if self.threads == 1 {
            let started = Instant::now();
            measured_run(subject, share);
            return started.elapsed();
        }
        self.awake.store(0, SeqCst);
        self.longest.store(0, SeqCst);
        self.start.wait();
        self.take_part(subject, share);
        Duration::from_nanos(self.longest.load(SeqCst))
    }

    /// Takes part in the runs of another thread until it dismisses this one.
    pub(crate) fn help(&self, subject: &dyn Subject, share: u64) {
        loop {
            self.start.wait();
            if self.dismissed.load(SeqCst) {
                return;
            }
            self.take_part(subject, share);
        }
    }

    fn take_part(&self, subject: &dyn Subject, share: u64) {
        self.awake.fetch_add(1, SeqCst);
        while self.awake.load(SeqCst) < self.threads {
            std::hint::spin_loop();
        }
        let started = Instant::now();
        measured_run(subject, share);
        self.longest.fetch_max(started.elapsed().as_nanos() as u64, SeqCst);
        self.end.wait();
    }

    pub(crate) fn dismiss(&self) {
        self.dismissed.store(true, SeqCst);
        if self.threads > 1 {
            self.start.wait();
        }
    }
}

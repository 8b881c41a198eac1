//! Whether the disk of a spool stores, and when it is tried again.

use crate::account::SpoolState;
use std::time::{Duration, Instant};

/// The disk of a spool, as its answers show it.
pub(super) struct Disk {
    state: SpoolState,
    problem: Option<String>,
    /// Its directory was read.
    is_open: bool,
    /// It is reported from then on, if it is not open.
    open_until: Instant,
    /// While it fails: one request is tried from then on.
    next_try: Instant,
    wait: Duration,
}

impl Disk {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: SpoolState::Opening,
            problem: None,
            is_open: false,
            open_until: now + OPEN_TIMEOUT,
            next_try: now,
            wait: MIN_WAIT,
        }
    }

    pub(super) fn state(&self) -> SpoolState {
        self.state
    }

    pub(super) fn problem(&self) -> Option<String> {
        self.problem.clone()
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open && self.state != SpoolState::Ended
    }

    pub(super) fn opened(&mut self) {
        self.is_open = true;
        self.works();
    }

    /// It is not open, and the time for that has passed now: returns whether the state has changed.
    pub(super) fn check_opening(&mut self, now: Instant) -> bool {
        let is_late = self.state == SpoolState::Opening && now >= self.open_until;
        if is_late {
            self.state = SpoolState::Failing;
            self.problem = Some(format!("the directory was not read in {OPEN_TIMEOUT:?}"));
        }
        is_late
    }

    /// The deadline of [`check_opening`](Self::check_opening).
    pub(super) fn open_until(&self) -> Option<Instant> {
        (self.state == SpoolState::Opening).then_some(self.open_until)
    }

    /// Whether it gets a request now. It gets the last ones of a shutdown in any case, before it is open too.
    pub(super) fn may_store(&self, now: Instant, (is_cancelled, is_idle): (bool, bool)) -> bool {
        match self.state {
            SpoolState::Ended => false,
            _ if is_cancelled => true,
            SpoolState::Up => true,
            SpoolState::Opening => false,
            SpoolState::Failing => self.is_open && is_idle && now >= self.next_try,
        }
    }

    /// When it is tried again, while it fails.
    pub(super) fn next_try(&self) -> Option<Instant> {
        (self.state == SpoolState::Failing && self.is_open).then_some(self.next_try)
    }

    /// It has stored a request: returns whether the state has changed.
    pub(super) fn stored(&mut self) -> bool {
        let has_changed = self.state != SpoolState::Up;
        self.works();
        has_changed
    }

    fn works(&mut self) {
        (self.state, self.problem, self.wait) = (SpoolState::Up, None, MIN_WAIT);
    }

    pub(super) fn failed(&mut self, now: Instant, error: &str) {
        self.problem = Some(error.to_owned());
        // Requests that fail together are one failure.
        if self.state != SpoolState::Failing || now >= self.next_try {
            self.next_try = now + self.wait;
            self.wait = (self.wait * 2).min(MAX_WAIT);
        }
        self.state = SpoolState::Failing;
    }

    /// Nothing answers any more.
    pub(super) fn ended(&mut self, error: &str) {
        (self.state, self.problem) = (SpoolState::Ended, Some(error.to_owned()));
    }
}

/// The time for reading the directory, before the spool is reported as failing: the node is ready without it then.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// The wait before the first try of a disk that fails; it doubles up to the maximum.
const MIN_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(10);

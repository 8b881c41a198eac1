//! The counters of all receivers.

use crate::account::IntakeAccount;
use crate::processors::LeftOut;
use crate::stage::Busy;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

#[derive(Default)]
pub(super) struct Counts {
    pub(super) unauthorized_requests: AtomicU64,
    overloaded_requests: AtomicU64,
    /// The number of the [`Busy`] that refused the last one, from 1 on.
    last_refusal: AtomicU8,
    pub(super) received: AtomicU64,
    pub(super) refused_overloaded: AtomicU64,
    pub(super) refused_malformed: AtomicU64,
    pub(super) refused_panicked: AtomicU64,
    accepted: AtomicU64,
    filtered: AtomicU64,
    sampled_out: AtomicU64,
    malformed: AtomicU64,
    unredactable: AtomicU64,
    pub(super) passed: AtomicU64,
    pub(super) passed_from_peers: AtomicU64,
}

impl Counts {
    /// Counts a request that is refused before its body is read.
    pub(super) fn refuse_unread(&self, busy: Busy) {
        let at = Busy::ALL.iter().position(|it| *it == busy).map_or(0, |at| at + 1);
        self.last_refusal.store(at as u8, Relaxed);
        self.overloaded_requests.fetch_add(1, Relaxed);
    }

    /// Counts an accepted request of `spans` spans.
    pub(super) fn accept(&self, spans: u64, left_out: LeftOut) {
        self.accepted.fetch_add(spans, Relaxed);
        if left_out == LeftOut::default() {
            return;
        }
        self.filtered.fetch_add(left_out.filtered, Relaxed);
        self.sampled_out.fetch_add(left_out.sampled_out, Relaxed);
        self.malformed.fetch_add(left_out.malformed, Relaxed);
        self.unredactable.fetch_add(left_out.unredactable, Relaxed);
    }

    pub(super) fn account(&self) -> IntakeAccount {
        IntakeAccount {
            unauthorized_requests: self.unauthorized_requests.load(Relaxed),
            overloaded_requests: self.overloaded_requests.load(Relaxed),
            last_refusal: usize::from(self.last_refusal.load(Relaxed))
                .checked_sub(1)
                .and_then(|at| Busy::ALL.get(at))
                .map_or("", |busy| busy.name()),
            received: self.received.load(Relaxed),
            refused_overloaded: self.refused_overloaded.load(Relaxed),
            refused_malformed: self.refused_malformed.load(Relaxed),
            refused_panicked: self.refused_panicked.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            filtered: self.filtered.load(Relaxed),
            sampled_out: self.sampled_out.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            unredactable: self.unredactable.load(Relaxed),
            passed: self.passed.load(Relaxed),
            passed_from_peers: self.passed_from_peers.load(Relaxed),
        }
    }
}

/// Counts the spans of a request that was read and then caused a panic: the receiver refuses it.
pub(super) struct RefusedByPanic<'a> {
    pub(super) counts: &'a Counts,
    pub(super) spans: u64,
}

impl Drop for RefusedByPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.counts.refused_panicked.fetch_add(self.spans, Relaxed);
        }
    }
}

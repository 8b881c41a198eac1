//! The counters bumped on the hot path: one line per thread, so that a bump is a load and a store
//! instead of a locked instruction.

use std::cell::Cell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Weak};

use crate::ledger::Account;

pub(crate) struct Lines {
    /// Bit `i` is set while nobody owns `owned[i]`.
    free: AtomicU64,
    /// Each written by its owner only. Counts outlive owners: the next one goes on from there.
    owned: [Line; OWNED],
    /// For every thread without a line of its own.
    shared: Line,
}

/// Two counters with a pair of cache lines for themselves (adjacent lines are fetched together).
#[repr(align(128))]
struct Line {
    started: AtomicU64,
    sampled_out: AtomicU64,
}

#[derive(Clone, Copy)]
pub(crate) enum Count {
    Started,
    SampledOut,
}

/// Counts one on the line of this thread.
#[inline]
pub(crate) fn bump(account: &Arc<Account>, count: Count) {
    let seated = SEAT.try_with(|seat| {
        if seat.at.get() != address(account) {
            return seat.bump_elsewhere(account, count);
        }
        // The seat owns this line, so nobody else writes it: a load and a store will do.
        let counter = account.lines.owned[seat.line.get() % OWNED].counter(count);
        counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
    });
    if seated.is_err() {
        account.lines.bump_shared(count);
    }
}

impl Lines {
    pub(crate) fn new() -> Self {
        Lines {
            free: AtomicU64::new(u64::MAX),
            owned: [const { Line::new() }; OWNED],
            shared: Line::new(),
        }
    }

    /// Sums of started and of sampled out.
    pub(crate) fn sums(&self) -> (u64, u64) {
        self.owned.iter().chain([&self.shared]).fold((0, 0), |(started, sampled_out), line| {
            (
                started.wrapping_add(line.started.load(Relaxed)),
                sampled_out.wrapping_add(line.sampled_out.load(Relaxed)),
            )
        })
    }

    /// How many lines have no owner.
    #[cfg(test)]
    pub(crate) fn free(&self) -> u32 {
        self.free.load(Relaxed).count_ones()
    }

    #[cold]
    fn bump_shared(&self, count: Count) {
        self.shared.counter(count).fetch_add(1, Relaxed);
    }

    fn claim(&self) -> Option<usize> {
        // ORDER: Acquire sees the counts the line's last owner left; pairs with `give_back`.
        let claimed =
            self.free.fetch_update(Acquire, Relaxed, |free| (free != 0).then(|| free & (free - 1)));
        claimed.ok().map(|before| before.trailing_zeros() as usize)
    }

    fn give_back(&self, line: usize) {
        // ORDER: Release publishes this owner's counts to the next one.
        self.free.fetch_or(1 << line, Release);
    }
}

impl Line {
    const fn new() -> Self {
        Line { started: AtomicU64::new(0), sampled_out: AtomicU64::new(0) }
    }

    #[inline]
    fn counter(&self, count: Count) -> &AtomicU64 {
        match count {
            Count::Started => &self.started,
            Count::SampledOut => &self.sampled_out,
        }
    }
}

thread_local! {
    static SEAT: Seat = const {
        Seat { at: Cell::new(0), line: Cell::new(0), home: Cell::new(Weak::new()), misses: Cell::new(0) }
    };
}

/// The line this thread owns.
struct Seat {
    /// Address of the account the line belongs to, 0 for none. `home` keeps the allocation, so
    /// that no other ledger can come to live at this address.
    at: Cell<usize>,
    line: Cell<usize>,
    home: Cell<Weak<Account>>,
    /// Bumps that found the seat elsewhere.
    misses: Cell<u32>,
}

impl Seat {
    /// Now and then the thread moves its seat to the ledger it is using; otherwise, and when all
    /// lines there are taken, it counts on the shared line. So a thread that changed ledgers (or
    /// came when all lines were taken) is soon fast, and one that alternates pays little for it.
    #[cold]
    fn bump_elsewhere(&self, account: &Arc<Account>, count: Count) {
        let misses = self.misses.get();
        self.misses.set(misses.wrapping_add(1));
        if misses.is_multiple_of(MISSES_PER_MOVE) {
            self.leave();
            if let Some(line) = account.lines.claim() {
                self.at.set(address(account));
                self.line.set(line);
                self.home.set(Arc::downgrade(account));
            }
        }
        account.lines.bump_shared(count);
    }

    fn leave(&self) {
        self.at.set(0);
        if let Some(account) = self.home.take().upgrade() {
            account.lines.give_back(self.line.get());
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[inline]
fn address(account: &Arc<Account>) -> usize {
    Arc::as_ptr(account).addr()
}

/// One bit of `free` each.
const OWNED: usize = u64::BITS as usize;

const MISSES_PER_MOVE: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_has_two_owners() {
        let lines = Lines::new();
        let mut claimed: Vec<_> = std::iter::from_fn(|| lines.claim()).collect();
        claimed.sort_unstable();
        assert_eq!(claimed, (0..OWNED).collect::<Vec<_>>());
        lines.give_back(17);
        assert_eq!((lines.claim(), lines.claim()), (Some(17), None));
    }
}

//! The search for an object: at the cursor, near it, anywhere.

use std::sync::atomic::Ordering::Relaxed;

use super::Pool;
use crate::Reset;
use crate::cursor;
use crate::pooled::Pooled;
use crate::slot::{Held, State};

impl<T: Reset> Pool<T> {
    /// Claims the object at this thread's cursor.
    #[inline(always)]
    pub(super) fn claim_at_cursor(&self) -> Option<Held<'_, T>> {
        // No modulo to bring the index into range: it would cost more than the whole claim.
        let index = cursor::get();
        let held = self.slots.get(index)?.claim_idle()?;
        cursor::set(index + 1);
        Some(self.hand_out(held))
    }

    /// Claims any object; the search starts at this thread's own stretch.
    #[inline]
    pub(super) fn claim_anywhere(&self) -> Option<Held<'_, T>> {
        self.claim_at_cursor().or_else(|| self.search(cursor::stretch(), self.slots.len())).or_else(
            || {
                self.rare.misses.fetch_add(1, Relaxed);
                None
            },
        )
    }

    #[cold]
    fn search(&self, start: usize, probes: usize) -> Option<Held<'_, T>> {
        for index in around(start, self.slots.len()).take(probes) {
            let slot = self.slots.get(index)?;
            if slot.state() == State::Idle
                && let Some(held) = slot.claim_idle()
            {
                cursor::set(index + 1);
                return Some(self.hand_out(held));
            }
        }
        None
    }

    /// Claims an object near the cursor or near the start of this thread's own stretch, where objects
    /// that other threads released usually are. `None` is counted as a miss.
    #[cold]
    pub(super) fn claim_near(&self) -> Option<Held<'_, T>> {
        let near = [cursor::stretch(), cursor::get()];
        if let Some(held) = near.into_iter().find_map(|start| self.search(start, PROBES)) {
            return Some(held);
        }
        let misses = self.rare.misses.fetch_add(1, Relaxed);
        // Occasionally a search of all slots finds objects that other threads released elsewhere; a
        // search on each miss would be wasted on an empty pool.
        if self.slots.len() <= PROBES || !misses.is_multiple_of(MISSES_PER_SEARCH) {
            return None;
        }
        let found = self.search(0, self.slots.len());
        if found.is_some() {
            self.rare.misses.fetch_sub(1, Relaxed);
        }
        found
    }

    #[cold]
    pub(super) fn acquire_slow(&self, make: impl FnOnce() -> T) -> Pooled<'_, T> {
        if let Some(held) = self.claim_near() {
            return Pooled::in_slot(self, held);
        }
        let made = make();
        for start in [cursor::stretch(), cursor::get()] {
            for index in around(start, self.slots.len()).take(PROBES) {
                let Some(slot) = self.slots.get(index) else { break };
                if slot.state() == State::Empty
                    && let Some(vacant) = slot.claim_empty()
                {
                    cursor::set(index + 1);
                    return Pooled::in_slot(self, vacant.fill(made));
                }
            }
        }
        self.rare.detached.fetch_add(1, Relaxed);
        Pooled::detached(self, made)
    }
}

/// All indices below `len`, upwards from `start`, wrapping.
fn around(start: usize, len: usize) -> impl Iterator<Item = usize> {
    let start = start.checked_rem(len).unwrap_or(0);
    (start..len).chain(0..start)
}

/// All indices below `len`, downwards from `start - 1`, wrapping.
pub(super) fn below(start: usize, len: usize) -> impl Iterator<Item = usize> {
    let start = start.checked_rem(len).unwrap_or(0);
    (0..start).rev().chain((start..len).rev())
}

/// Slots to look at near each of two indices before an object is made.
pub(super) const PROBES: usize = 32;
/// Misses per search of all slots.
const MISSES_PER_SEARCH: u64 = 16;

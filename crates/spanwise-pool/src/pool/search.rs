//! The search for an object: at the cursor, near it, anywhere.

use std::sync::atomic::Ordering::Relaxed;

use super::Pool;
use super::order::{PROBES, around};
use crate::Reset;
use crate::cursor;
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
}

/// Misses per search of all slots.
const MISSES_PER_SEARCH: u64 = 16;

//! Finding an object: at the cursor, near it, anywhere.

use std::sync::atomic::Ordering::Relaxed;

use super::Pool;
use crate::Reset;
use crate::cursor;
use crate::pooled::Pooled;
use crate::slot::{Held, State};

impl<T: Reset> Pool<T> {
    /// The object where this thread left off.
    #[inline(always)]
    pub(super) fn claim_at_cursor(&self) -> Option<Held<'_, T>> {
        // Not brought into range by a division, which would cost more than all the rest.
        let index = cursor::get();
        let held = self.slots.get(index)?.claim_idle()?;
        cursor::set(index + 1);
        Some(self.hand_out(held))
    }

    /// Any object; the first at or after the start of this thread's own stretch.
    #[inline]
    pub(super) fn claim_anywhere(&self) -> Option<Held<'_, T>> {
        self.claim_at_cursor().or_else(|| self.search(cursor::home(), self.slots.len())).or_else(
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

    /// Nothing at the cursor. What other threads gave back is near the start of this thread's own
    /// stretch, as a rule; `None` is counted as a miss.
    #[cold]
    pub(super) fn claim_near(&self) -> Option<Held<'_, T>> {
        let near = [cursor::home(), cursor::get()];
        if let Some(held) = near.into_iter().find_map(|start| self.search(start, PROBES)) {
            return Some(held);
        }
        let misses = self.rare.misses.fetch_add(1, Relaxed);
        // What others put somewhere else is found all the same, and an empty pool is not looked
        // through each time.
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
    pub(super) fn lend_from_elsewhere(&self, make: impl FnOnce() -> T) -> Pooled<'_, T> {
        if let Some(held) = self.claim_near() {
            return Pooled::in_slot(self, held);
        }
        let made = make();
        for start in [cursor::home(), cursor::get()] {
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
        self.rare.strays.fetch_add(1, Relaxed);
        Pooled::apart(self, made)
    }
}

/// All indices below `len`, from `start` on and round.
fn around(start: usize, len: usize) -> impl Iterator<Item = usize> {
    let start = start.checked_rem(len).unwrap_or(0);
    (start..len).chain(0..start)
}

/// All indices below `len`, from just below `start` down and round.
pub(super) fn below(start: usize, len: usize) -> impl Iterator<Item = usize> {
    let start = start.checked_rem(len).unwrap_or(0);
    (0..start).rev().chain((start..len).rev())
}

/// Slots looked at around each of two places before an object is made.
pub(super) const PROBES: usize = 32;
/// Misses to one look at all slots.
const MISSES_PER_SEARCH: u64 = 16;

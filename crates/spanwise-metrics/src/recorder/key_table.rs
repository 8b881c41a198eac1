//! A bounded hash table that threads read without locks, and add to without waiting.

use std::fmt;
use std::hint::spin_loop;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

/// Entries by key, which stay until the table is dropped.
///
/// Open addressing: a thread that adds an entry first claims a slot with the hash, by one atomic instruction, and then alone sets the
/// slot's entry. So no thread waits for another one, and a table that a fork has copied in between is usable.
pub(super) struct KeyTable<E> {
    slots: Box<[Slot<E>]>,
    used: AtomicUsize,
    limit: usize,
    /// Entries with a key that another entry has too.
    duplicates: AtomicUsize,
}

struct Slot<E> {
    /// The hash of the entry's key; 0 while the slot is free.
    claim: AtomicU64,
    entry: OnceLock<Box<E>>,
}

impl<E> KeyTable<E> {
    /// The most entries of a table.
    pub(super) const MAX_LIMIT: usize = 1 << 16;

    /// A table of at most `limit` entries, which is at most [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub(super) fn new(limit: usize) -> Self {
        let slots = (0..slots_of(limit)).map(|_| Slot::default()).collect();
        Self { slots, used: AtomicUsize::new(0), limit, duplicates: AtomicUsize::new(0) }
    }

    /// Bytes of a table of `limit` entries, without them.
    pub(super) fn bytes_of(limit: usize) -> usize {
        slots_of(limit) * size_of::<Slot<E>>()
    }

    /// The place of the entry with this hash that `is_key` accepts.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_key: impl Fn(&E) -> bool) -> Option<(usize, &E)> {
        let hash = hash.max(1);
        for place in self.places(hash) {
            let slot = self.slots.get(place)?;
            let claim = slot.claim.load(Relaxed);
            if claim == hash
                && let Some(entry) = slot.entry.get()
                && is_key(entry)
            {
                return Some((place, entry));
            }
            if claim == 0 {
                return None;
            }
        }
        None
    }

    /// The entry at a place that [`find`](Self::find) or [`insert`](Self::insert) returned.
    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<&E> {
        self.slots.get(place)?.entry.get().map(|entry| &**entry)
    }

    /// Adds the entry that `make` makes, unless another thread has added one that `is_key` accepts. `None`: the table is full.
    #[cold]
    #[inline(never)]
    pub(super) fn insert(
        &self,
        hash: u64,
        is_key: impl Fn(&E) -> bool,
        make: impl FnOnce() -> E,
    ) -> Option<(usize, &E)> {
        let hash = hash.max(1);
        if self.used.load(Relaxed) >= self.limit {
            return None;
        }
        let next = |used: usize| (used < self.limit).then_some(used + 1);
        self.used.fetch_update(Relaxed, Relaxed, next).ok()?;
        let entry = Box::new(make());
        let mut is_duplicate = false;
        for place in self.places(hash) {
            let Some(slot) = self.slots.get(place) else { break };
            let claim = match slot.claim.compare_exchange(0, hash, Relaxed, Relaxed) {
                Ok(_) => {
                    self.duplicates.fetch_add(usize::from(is_duplicate), Relaxed);
                    // The claim makes this thread the only one that sets the entry.
                    let entry = slot.entry.get_or_init(|| entry);
                    return Some((place, entry));
                }
                Err(claim) => claim,
            };
            if claim != hash {
                continue;
            }
            match slot.wait_a_moment() {
                Some(present) if is_key(present) => {
                    self.used.fetch_sub(1, Relaxed);
                    return Some((place, present));
                }
                Some(_) => {}
                // The thread that claimed it is suspended, and maybe with this key: the collection adds both up.
                None => is_duplicate = true,
            }
        }
        self.used.fetch_sub(1, Relaxed);
        None
    }

    /// All entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &E)> {
        let hash = |slot: &Slot<E>| slot.claim.load(Relaxed);
        self.slots.iter().filter_map(move |slot| Some((hash(slot), &**slot.entry.get()?)))
    }

    /// Whether two entries may have the same key.
    pub(super) fn has_duplicates(&self) -> bool {
        self.duplicates.load(Relaxed) > 0
    }

    /// Entries in use.
    pub(super) fn len(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// The places where an entry with this hash can be.
    #[inline]
    fn places(&self, hash: u64) -> impl Iterator<Item = usize> + use<E> {
        // The number of slots is a power of two.
        let mask = self.slots.len().wrapping_sub(1);
        (0..MAX_PROBES).map(move |probe| (hash as usize).wrapping_add(probe) & mask)
    }
}

impl<E> Slot<E> {
    /// The entry, for which this thread waits for less than a microsecond after a claim.
    fn wait_a_moment(&self) -> Option<&E> {
        for _ in 0..SPINS {
            if let Some(entry) = self.entry.get() {
                return Some(entry);
            }
            spin_loop();
        }
        None
    }
}

impl<E> Default for Slot<E> {
    fn default() -> Self {
        Self { claim: AtomicU64::new(0), entry: OnceLock::new() }
    }
}

impl<E> fmt::Debug for KeyTable<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyTable({} of {} entries)", self.len(), self.limit)
    }
}

/// At most half of the slots are in use.
const fn slots_of(limit: usize) -> usize {
    (limit * 2).next_power_of_two()
}

/// Slots at most that a search visits: a full table and a set of keys with one hash cost no more.
const MAX_PROBES: usize = 32;
const SPINS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn add(table: &KeyTable<u64>, hash: u64, key: u64) -> Option<usize> {
        let is_key = |other: &u64| *other == key;
        let found = table.find(hash, is_key).or_else(|| table.insert(hash, is_key, || key));
        found.map(|(place, entry)| {
            assert_eq!((*entry, table.get(place)), (key, Some(&key)));
            place
        })
    }

    #[test]
    fn keys_of_one_hash_have_entries_of_their_own() {
        let table = KeyTable::new(40);
        let places: Vec<_> = (0..MAX_PROBES as u64).map(|key| add(&table, 0, key)).collect();
        assert!(places.iter().all(Option::is_some));
        // The search ends after as many slots.
        assert_eq!((add(&table, 0, 99), table.len()), (None, MAX_PROBES));
        assert_eq!(add(&table, 0, 3), places[3]);
        assert_eq!(table.entries().count(), MAX_PROBES);
        assert!(!table.has_duplicates());
    }

    #[test]
    fn a_full_table_finds_what_it_has() {
        let table = KeyTable::new(3);
        let places = [10, 20, 30].map(|key| add(&table, key, key));
        assert_eq!((add(&table, 40, 40), table.len()), (None, 3));
        assert_eq!([10, 20, 30].map(|key| add(&table, key, key)), places);
    }

    #[test]
    fn a_thread_does_not_wait_for_one_that_is_suspended() {
        let table = KeyTable::new(4);
        // Another thread has claimed the slot.
        table.slots[7].claim.store(7, Relaxed);
        let place = add(&table, 7, 1);
        assert_eq!((place, table.has_duplicates()), (Some(0), true));
        assert_eq!(table.slots[7].entry.get(), None);
        assert_eq!(add(&table, 7, 1), place);
    }
}

//! The slots of traces by the hash of their id.

use super::runs::NONE;

/// A hash table of slots with linear probing, at most half full. The ids themselves are in the slots.
#[derive(Default)]
pub(super) struct TraceIndex {
    /// A power of two of entries.
    entries: Vec<Entry>,
    len: usize,
}

/// A slot with a part of its hash, by which the entry has its place.
#[derive(Clone, Copy)]
struct Entry {
    tag: u32,
    /// [`NONE`] for a free entry.
    slot: u32,
}

impl TraceIndex {
    /// Bytes for each trace of the capacity.
    pub(super) const BYTES_PER_TRACE: usize = 2 * size_of::<Entry>();

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The slot with this hash for which `is_it` holds.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = hash as u32;
        self.places(tag)
            .map(|place| self.entries[place])
            .take_while(|entry| entry.slot != NONE)
            .find(|entry| entry.tag == tag && is_it(entry.slot))
            .map(|entry| entry.slot)
    }

    /// Reads the entry at which a search for this hash begins, so that the search finds it in the cache.
    pub(super) fn warm(&self, hash: u64) -> u32 {
        self.places(hash as u32).next().map_or(NONE, |place| self.entries[place].slot)
    }

    /// Adds a slot that is not there yet. The capacity is that of the last [`Self::rebuild`].
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        let tag = hash as u32;
        if let Some(place) = self.places(tag).find(|place| self.entries[*place].slot == NONE) {
            self.entries[place] = Entry { tag, slot };
            self.len += 1;
        }
    }

    /// Removes a slot.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let mut places = self.places(hash as u32);
        let found = places.find(|place| {
            let it = self.entries[*place].slot;
            it == slot || it == NONE
        });
        let Some(mut hole) = found.filter(|place| self.entries[*place].slot == slot) else {
            return;
        };
        self.len -= 1;
        // Entries behind it that a search would not find beyond a free one move up.
        let mask = self.entries.len() - 1;
        let mut place = hole;
        loop {
            place = (place + 1) & mask;
            let entry = self.entries[place];
            if entry.slot == NONE || place == hole {
                break;
            }
            let distance = place.wrapping_sub(entry.tag as usize) & mask;
            if distance >= place.wrapping_sub(hole) & mask {
                self.entries[hole] = entry;
                hole = place;
            }
        }
        self.entries[hole].slot = NONE;
    }

    /// Makes space for `capacity` slots, which are not fewer than there are.
    pub(super) fn rebuild(&mut self, capacity: usize) {
        let free = Entry { tag: 0, slot: NONE };
        let entries = vec![free; 2 * capacity.next_power_of_two()];
        let before = std::mem::replace(&mut self.entries, entries);
        self.len = 0;
        for entry in before.into_iter().filter(|entry| entry.slot != NONE) {
            self.insert(entry.tag.into(), entry.slot);
        }
    }

    /// All places, from that of `tag` on. None without entries.
    fn places(&self, tag: u32) -> impl Iterator<Item = usize> + use<> {
        let len = self.entries.len();
        let mask = len.wrapping_sub(1);
        (0..len).map(move |step| (tag as usize).wrapping_add(step) & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_index_finds_what_a_map_finds() {
        let mut index = TraceIndex::default();
        assert_eq!(index.find(7, |_| true), None);
        index.remove(7, 7);
        let mut map = HashMap::new();
        let mut random = 1_u64;
        let mut capacity = 0;
        for step in 0..200_000_u32 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few hashes: many slots share one, and the places wrap around.
            let hash = ((random >> 33) % 97) | 0xffff_ffc0;
            let slot = (random >> 50) as u32 % 300;
            match map.get(&slot).copied() {
                Some(hash) => {
                    assert_eq!(index.find(hash, |it| it == slot), Some(slot), "{step}");
                    map.remove(&slot);
                    index.remove(hash, slot);
                }
                None => {
                    if map.len() == capacity {
                        capacity = (2 * capacity).max(32);
                        index.rebuild(capacity);
                    }
                    map.insert(slot, hash);
                    index.insert(hash, slot);
                }
            }
            assert_eq!(index.len(), map.len());
            assert_eq!(index.find(hash, |it| it == 1_000), None);
        }
        for (slot, hash) in map {
            assert_eq!(index.find(hash, |it| it == slot), Some(slot));
        }
    }
}

//! [`HeavyKeys`]: the keys with the most bytes, within a bound of keys.

use super::distinct::{DistinctCounter, hash_of};
use super::report::AttributePlace;
use std::collections::HashMap;
use std::sync::Arc;

/// The keys with the most bytes, by the algorithm Space-Saving (A. Metwally and others, 2005) over bytes.
///
/// A new key in a full table replaces one of the lighter half and takes over its weight, which bounds the bytes that
/// it may have had before. So a key with more than 2 / `max_keys` of all bytes is in the table.
#[derive(Debug)]
pub(super) struct HeavyKeys {
    entries: Vec<Entry>,
    /// For each place, the index of the entry of a key.
    known: [HashMap<Arc<[u8]>, u32>; AttributePlace::ALL.len()],
    max_keys: usize,
    /// Entries of the lighter half with the weights that they had when it was found, the lightest last.
    lighter: Vec<(u64, u32)>,
    replaced: u64,
    /// All keys that were ever added.
    keys: DistinctCounter,
    /// The entry of the last key.
    last: usize,
}

/// A key of the table.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: AttributePlace,
    /// At most [`MAX_KEY_BYTES`] of its bytes.
    pub(super) key: Arc<[u8]>,
    /// Bytes of this key and of those that it replaced.
    weight: u64,
    /// The bytes of those.
    pub(super) error: u64,
    pub(super) occurrences: u64,
    pub(super) values: DistinctCounter,
    /// The hash of the last value, which is often that of the next.
    last_value: u64,
    /// The entry of the key that followed last time: most spans repeat the keys of others.
    next: u32,
}

impl Entry {
    /// Bytes that this key has for certain.
    pub(super) fn bytes(&self) -> u64 {
        self.weight - self.error
    }
}

impl HeavyKeys {
    /// A table of at most `max_keys` keys.
    pub(super) fn new(max_keys: usize) -> Self {
        Self {
            entries: Vec::new(),
            known: Default::default(),
            max_keys: max_keys.clamp(1, MAX_KEYS),
            lighter: Vec::new(),
            replaced: 0,
            keys: DistinctCounter::default(),
            last: 0,
        }
    }

    /// The most bytes of memory of a table of `max_keys` keys.
    pub(super) fn max_bytes(max_keys: usize) -> usize {
        // A vector and a hash map may have twice the space that they use.
        let shared = MAX_KEY_BYTES + 2 * size_of::<usize>();
        let slot = 2 * (size_of::<(Arc<[u8]>, u32)>() + 1);
        let entry = 2 * size_of::<Entry>() + 2 * size_of::<(u64, u32)>();
        let key = shared + slot * AttributePlace::ALL.len() + entry + DistinctCounter::MAX_BYTES;
        size_of::<Self>() + DistinctCounter::MAX_BYTES + max_keys.clamp(1, MAX_KEYS) * key
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How often a key was replaced by another one.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// An estimate of the number of keys, also of those that were replaced.
    pub(super) fn distinct_keys(&self) -> u64 {
        self.keys.count()
    }

    /// Adds an attribute of `bytes` encoded bytes.
    #[inline]
    pub(super) fn add(&mut self, place: AttributePlace, key: &[u8], value: &[u8], bytes: u64) {
        let key = key.get(..MAX_KEY_BYTES).unwrap_or(key);
        let index = self.index_of(place, key);
        if let Some(last) = self.entries.get_mut(self.last) {
            last.next = index as u32;
        }
        self.last = index;
        let Some(entry) = self.entries.get_mut(index) else { return };
        entry.weight += bytes;
        entry.occurrences += 1;
        let hash = hash_of(value);
        if entry.last_value != hash || entry.occurrences == 1 {
            entry.last_value = hash;
            entry.values.add(hash);
        }
    }

    /// The entry of a key, which is added if there is none.
    #[inline]
    fn index_of(&mut self, place: AttributePlace, key: &[u8]) -> usize {
        let next = self.entries.get(self.last).map_or(0, |last| last.next as usize);
        let is_it = |entry: &Entry| entry.place == place && *entry.key == *key;
        if self.entries.get(next).is_some_and(is_it) {
            return next;
        }
        match self.known.get(place as usize).and_then(|known| known.get(key)) {
            Some(index) => *index as usize,
            None => self.insert(place, key),
        }
    }

    #[cold]
    fn insert(&mut self, place: AttributePlace, key: &[u8]) -> usize {
        self.keys.add(hash_of(key) ^ (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let index = match self.entries.len() < self.max_keys {
            true => self.entries.len(),
            false => self.lightest() as usize,
        };
        let key: Arc<[u8]> = key.into();
        let mut entry = Entry {
            place,
            key: key.clone(),
            weight: 0,
            error: 0,
            occurrences: 0,
            values: DistinctCounter::default(),
            last_value: 0,
            next: 0,
        };
        if let Some(replaced) = self.entries.get_mut(index) {
            (entry.weight, entry.error) = (replaced.weight, replaced.weight);
            if let Some(known) = self.known.get_mut(replaced.place as usize) {
                known.remove(&replaced.key);
            }
            self.replaced += 1;
            *replaced = entry;
        } else {
            self.entries.push(entry);
        }
        if let Some(known) = self.known.get_mut(place as usize) {
            known.insert(key, index as u32);
        }
        index
    }

    /// An entry of the lighter half. It has at most twice the mean weight: as many entries are as heavy or heavier.
    fn lightest(&mut self) -> u32 {
        loop {
            while let Some((weight, index)) = self.lighter.pop() {
                // An entry that grew meanwhile may be among the heaviest now.
                if self.entries.get(index as usize).is_some_and(|entry| entry.weight == weight) {
                    return index;
                }
            }
            let weights = self.entries.iter().zip(0..).map(|(entry, index)| (entry.weight, index));
            self.lighter.extend(weights);
            self.lighter.sort_unstable_by(|a, b| b.cmp(a));
            let half = self.lighter.len() / 2;
            self.lighter.drain(..half);
            if self.lighter.is_empty() {
                return 0;
            }
        }
    }
}

/// Bytes of a key that are retained: longer keys with the same beginning are counted together.
const MAX_KEY_BYTES: usize = 128;
/// The most keys of a table.
const MAX_KEYS: usize = 1 << 16;

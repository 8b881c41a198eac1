//! The slots of keys: a small hash table that threads read without a lock.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The keys with a slot of their own, by hash. Two keys with the same hash share a slot, which costs
/// them only fairness.
#[derive(Debug)]
pub(super) struct Keys {
    sets: Box<[Set]>,
    /// Frequent keys without a slot, and their recent counts.
    candidates: Box<[Candidate]>,
}

/// Eight entries in a cache line. An entry holds the upper bits of a key's hash and its slot; 0 is
/// an empty entry.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Set([AtomicU64; 8]);

#[derive(Debug, Default)]
struct Candidate {
    hash: AtomicU64,
    count: AtomicU64,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self {
            sets: (0..SETS).map(|_| Set::default()).collect(),
            candidates: (0..CANDIDATES).map(|_| Candidate::default()).collect(),
        }
    }

    /// The slot of the key with this hash.
    #[inline]
    pub(super) fn find(&self, hash: u64) -> Option<usize> {
        let (entries, mark) = (&self.set(hash).0, mark(hash));
        for entry in entries {
            // The remaining bits are the slot, if the upper bits are the key's.
            let rest = entry.load(Relaxed) ^ mark;
            if rest <= SLOT {
                return Some(rest as usize);
            }
        }
        None
    }

    /// Assigns the slot to the key; `false` if the key's set is full. For one caller at a time.
    pub(super) fn insert(&self, hash: u64, slot: usize) -> bool {
        let entries = &self.set(hash).0;
        let free = entries.iter().find(|entry| entry.load(Relaxed) == 0);
        if let Some(entry) = free {
            entry.store(mark(hash) | slot as u64, Relaxed);
        }
        free.is_some()
    }

    /// Removes the key. For one caller at a time.
    pub(super) fn remove(&self, hash: u64) {
        for entry in &self.set(hash).0 {
            if entry.load(Relaxed) & !SLOT == mark(hash) {
                entry.store(0, Relaxed);
            }
        }
    }

    /// Counts a root whose key has no slot (Misra and Gries: frequent keys displace rare ones). A key
    /// with more than half of the roots of its candidate entry is certain to be found: on average
    /// that is more than one in sixty of all roots without a slot.
    pub(super) fn missed(&self, hash: u64) {
        let candidate = &self.candidates[hash as usize % CANDIDATES];
        // A race between two threads may lose a count.
        let (owner, count) = (candidate.hash.load(Relaxed), candidate.count.load(Relaxed));
        if owner == hash {
            candidate.count.store(count + 1, Relaxed);
        } else if count == 0 {
            candidate.hash.store(hash, Relaxed);
            candidate.count.store(1, Relaxed);
        } else {
            candidate.count.store(count - 1, Relaxed);
        }
    }

    /// Takes the candidates with their counts.
    pub(super) fn take_candidates(&self) -> impl Iterator<Item = (u64, u64)> {
        self.candidates.iter().filter_map(|candidate| {
            let count = candidate.count.swap(0, Relaxed);
            (count > 0).then(|| (candidate.hash.load(Relaxed), count))
        })
    }

    #[inline]
    fn set(&self, hash: u64) -> &Set {
        &self.sets[hash as usize >> 9 & (SETS - 1)]
    }
}

/// The hash of a key's text: eight bytes at a time are multiplied, and the halves folded.
#[inline]
pub(super) fn hash(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut hash = SEED ^ bytes.len() as u64;
    let Some(last) = bytes.last_chunk::<8>() else {
        let short = bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        return fold(hash ^ short);
    };
    for word in bytes.as_chunks::<8>().0 {
        hash = fold(hash ^ u64::from_le_bytes(*word));
    }
    // The last eight bytes overlap the ones before, so that no machine word needs padding.
    fold(hash ^ u64::from_le_bytes(*last))
}

#[inline]
fn fold(word: u64) -> u64 {
    let product = u128::from(word) * u128::from(FACTOR);
    product as u64 ^ (product >> 64) as u64
}

/// The bits of the hash in an entry; never 0.
#[inline]
fn mark(hash: u64) -> u64 {
    hash & !SLOT | MARKED
}

/// The bits of an entry that hold the slot, 1 to 256.
const SLOT: u64 = (1 << 9) - 1;
/// Set in every entry that is in use.
const MARKED: u64 = 1 << 63;
const SETS: usize = 128;
const CANDIDATES: usize = 64;
/// Digits of π.
const SEED: u64 = 0x243f_6a88_85a3_08d3;
const FACTOR: u64 = 0x1319_8a2e_0370_7345;

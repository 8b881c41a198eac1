//! Which slot a key has: a small table that is read without a lock.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Keys with a slot of their own, by hash. Two keys with the same hash share one, which costs
/// them fairness and nothing else.
#[derive(Debug)]
pub(super) struct Keys {
    sets: Box<[Set]>,
    /// Keys without a slot that come often, and how often lately.
    candidates: Box<[Candidate]>,
}

/// Eight entries in a cache line. An entry is the upper bits of a key's hash and its slot; 0 is
/// none.
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
            // What is left is the slot, if the rest is the key's.
            let rest = entry.load(Relaxed) ^ mark;
            if rest <= SLOT {
                return Some(rest as usize);
            }
        }
        None
    }

    /// Gives the key a slot; `false` if its place in the table is full. For one caller at a time.
    pub(super) fn insert(&self, hash: u64, slot: usize) -> bool {
        let entries = &self.set(hash).0;
        let free = entries.iter().find(|entry| entry.load(Relaxed) == 0);
        if let Some(entry) = free {
            entry.store(mark(hash) | slot as u64, Relaxed);
        }
        free.is_some()
    }

    /// Takes the key's slot away. For one caller at a time.
    pub(super) fn remove(&self, hash: u64) {
        for entry in &self.set(hash).0 {
            if entry.load(Relaxed) & !SLOT == mark(hash) {
                entry.store(0, Relaxed);
            }
        }
    }

    /// A key without a slot came (Misra and Gries: what comes often outlasts what does not). One
    /// that is more than half of what comes to its place is sure to be found: as a rule, more than
    /// one in sixty of all that have no slot.
    pub(super) fn missed(&self, hash: u64) {
        let candidate = &self.candidates[hash as usize % CANDIDATES];
        // Races lose a count here or there.
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

    /// Takes out those that came, with their counts.
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

/// A hash of a key's text, eight bytes at a time: multiply, and fold the halves.
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
    // The end, with some of what came before it: no word has to be filled up.
    fold(hash ^ u64::from_le_bytes(*last))
}

#[inline]
fn fold(word: u64) -> u64 {
    let product = u128::from(word) * u128::from(FACTOR);
    product as u64 ^ (product >> 64) as u64
}

/// What an entry says of the hash; never 0.
#[inline]
fn mark(hash: u64) -> u64 {
    hash & !SLOT | MARKED
}

/// The bits of an entry that hold the slot, 1 to 256.
const SLOT: u64 = (1 << 9) - 1;
/// Set in every entry, so that none looks empty.
const MARKED: u64 = 1 << 63;
const SETS: usize = 128;
const CANDIDATES: usize = 64;
/// Digits of π.
const SEED: u64 = 0x243f_6a88_85a3_08d3;
const FACTOR: u64 = 0x1319_8a2e_0370_7345;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::limits::STRINGS;

/// Strings that are in memory once.
///
/// [`intern`](Interner::intern) gives the same `Arc<str>` for the same string, as a rule: when the
/// table is full of strings in use, or another thread is at the same shard, it gives one of its
/// own instead, equal and not shared. It never waits.
///
/// An `Arc<str>` is what `opentelemetry::Key` and `StringValue` are made of without a copy.
pub struct Interner {
    shards: Box<[Shard]>,
    hasher: DefaultHashBuilder,
    strings_each: usize,
    bytes_each: usize,
    /// Requests that found their shard taken.
    contended: AtomicU64,
}

#[repr(align(64))]
#[derive(Default)]
struct Shard {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    strings: HashTable<Entry>,
    bytes: usize,
    hits: u64,
    misses: u64,
    refused: u64,
    evicted: u64,
    /// Strings refused since a sweep found nothing.
    futile: u64,
}

struct Entry {
    string: Arc<str>,
    /// Asked for since the last sweep.
    used: bool,
}

/// What an [`Interner`] has done, and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InternerStats {
    /// Strings found.
    pub hits: u64,
    /// Strings stored.
    pub misses: u64,
    /// Strings given out unshared: no room, or the shard was taken.
    pub refused: u64,
    /// Strings let go of to make room.
    pub evicted: u64,
    /// Strings stored now.
    pub strings: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl Interner {
    /// At most `strings` strings of `bytes` bytes together, rounded up to a multiple of the number
    /// of shards, which is 16, or fewer for fewer strings. More than 2²⁴ strings are taken for as
    /// many.
    ///
    /// # Cost
    /// The shards, 2 KiB at most. Memory for strings is taken as they come.
    pub fn new(strings: usize, bytes: usize) -> Self {
        let strings = strings.min(STRINGS);
        let shards = strings.div_ceil(STRINGS_PER_SHARD).clamp(1, SHARDS).next_power_of_two();
        Interner {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            strings_each: strings.div_ceil(shards),
            bytes_each: bytes.div_ceil(shards),
            contended: AtomicU64::new(0),
        }
    }

    /// The string, shared if it can be.
    ///
    /// # Cost
    /// Known: a hash, a lock taken at once or not at all, a comparison, a reference count. New: two
    /// allocations at most. When full, now and then a sweep of one shard.
    pub fn intern(&self, string: &str) -> Arc<str> {
        let hash = self.hasher.hash_one(string);
        // The table takes its bits from both ends of the hash: the shard takes some in between.
        let index = (hash >> 32) as usize & (self.shards.len() - 1);
        let mut table = match self.shards.get(index).map(|shard| shard.table.try_lock()) {
            Some(Ok(table)) => table,
            Some(Err(TryLockError::Poisoned(poisoned))) => poisoned.into_inner(),
            Some(Err(TryLockError::WouldBlock)) | None => {
                self.contended.fetch_add(1, Relaxed);
                return string.into();
            }
        };
        if let Some(entry) = table.strings.find_mut(hash, |entry| &*entry.string == string) {
            entry.used = true;
            let string = entry.string.clone();
            table.hits += 1;
            return string;
        }
        if !self.make_room(&mut table, string.len()) {
            table.refused += 1;
            return string.into();
        }
        let string: Arc<str> = string.into();
        let entry = Entry { string: string.clone(), used: true };
        let rehash = |entry: &Entry| self.hasher.hash_one(&*entry.string);
        table.strings.insert_unique(hash, entry, rehash);
        table.bytes += string.len();
        table.misses += 1;
        string
    }

    /// Lets go of the strings that nobody else has and nobody has asked for since the last call.
    pub fn trim(&self) {
        for shard in &self.shards {
            let mut table = shard.table.lock().unwrap_or_else(PoisonError::into_inner);
            table.sweep();
            table.futile = 0;
            let rehash = |entry: &Entry| self.hasher.hash_one(&*entry.string);
            table.strings.shrink_to_fit(rehash);
        }
    }

    /// What it has done, and holds.
    pub fn stats(&self) -> InternerStats {
        let contended =
            InternerStats { refused: self.contended.load(Relaxed), ..Default::default() };
        self.shards.iter().fold(contended, |sum, shard| {
            let table = shard.table.lock().unwrap_or_else(PoisonError::into_inner);
            InternerStats {
                hits: sum.hits + table.hits,
                misses: sum.misses + table.misses,
                refused: sum.refused + table.refused,
                evicted: sum.evicted + table.evicted,
                strings: sum.strings + table.strings.len(),
                bytes: sum.bytes + table.bytes,
            }
        })
    }

    fn make_room(&self, table: &mut Table, bytes: usize) -> bool {
        let fits = |table: &Table| {
            table.strings.len() < self.strings_each
                && table.bytes.saturating_add(bytes) <= self.bytes_each
        };
        if fits(table) || bytes > self.bytes_each {
            return fits(table);
        }
        // A table full of strings in use is not swept for each string that finds no room.
        if table.futile == 0 && table.sweep() > 0 {
            return fits(table);
        }
        table.futile = (table.futile + 1) % SWEEP_EVERY;
        fits(table)
    }
}

impl Table {
    /// Second chance: who was asked for since the last sweep stays until the next.
    fn sweep(&mut self) -> usize {
        let before = self.strings.len();
        let bytes = &mut self.bytes;
        self.strings.retain(|entry| {
            let stays = entry.used || Arc::strong_count(&entry.string) > 1;
            entry.used = false;
            if !stays {
                *bytes -= entry.string.len();
            }
            stays
        });
        let gone = before - self.strings.len();
        self.evicted += gone as u64;
        gone
    }
}

impl fmt::Debug for Interner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interner").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

const SHARDS: usize = 16;
/// Fewer are not worth a shard.
const STRINGS_PER_SHARD: usize = 64;
/// Strings refused by a full shard after a sweep that found nothing, before the next.
const SWEEP_EVERY: u64 = 64;

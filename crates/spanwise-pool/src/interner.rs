use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::limits::STRINGS;

/// A string interner: equal strings share one `Arc<str>`.
///
/// [`intern`](Interner::intern) usually returns the same `Arc<str>` for the same string. When the
/// table is full of strings in use, or another thread has locked the same shard, it returns a new,
/// unshared `Arc<str>` instead. It never waits.
///
/// `opentelemetry::Key` and `StringValue` take an `Arc<str>` without a copy.
pub struct Interner {
    shards: Box<[Shard]>,
    hasher: DefaultHashBuilder,
    strings_each: usize,
    bytes_each: usize,
    /// Requests that found their shard locked.
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
    /// Strings refused since a sweep evicted none.
    futile: u64,
}

struct Entry {
    string: Arc<str>,
    /// Whether the string was requested since the last sweep.
    used: bool,
}

/// Statistics of an [`Interner`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InternerStats {
    /// Strings found.
    pub hits: u64,
    /// Strings stored.
    pub misses: u64,
    /// Strings returned unshared, because the table was full or the shard was locked.
    pub refused: u64,
    /// Strings evicted to make space.
    pub evicted: u64,
    /// Strings stored now.
    pub strings: usize,
    /// Bytes of these strings.
    pub bytes: usize,
}

impl Interner {
    /// An interner of at most `strings` strings of `bytes` bytes together, rounded up to a multiple of
    /// the number of shards, which is 16, or fewer for fewer strings. `strings` is at most 2²⁴; a
    /// larger number counts as 2²⁴.
    ///
    /// # Cost
    /// The shards, 2 KiB at most. Memory for a string is allocated when it is interned.
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

    /// Interns `string`: returns it shared if possible.
    ///
    /// # Cost
    /// For a known string: a hash, a `try_lock`, a comparison, a reference count. For a new one: two
    /// allocations at most. When the table is full: occasionally a sweep of one shard.
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
        if !self.make_space(&mut table, string.len()) {
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

    /// Evicts the strings that have no other owner and were not requested since the last call.
    pub fn trim(&self) {
        for shard in &self.shards {
            let mut table = shard.table.lock().unwrap_or_else(PoisonError::into_inner);
            table.sweep();
            table.futile = 0;
            let rehash = |entry: &Entry| self.hasher.hash_one(&*entry.string);
            table.strings.shrink_to_fit(rehash);
        }
    }

    /// Statistics since the interner was created.
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

    fn make_space(&self, table: &mut Table, bytes: usize) -> bool {
        let fits = |table: &Table| {
            table.strings.len() < self.strings_each
                && table.bytes.saturating_add(bytes) <= self.bytes_each
        };
        if fits(table) || bytes > self.bytes_each {
            return fits(table);
        }
        // A sweep for each string that does not fit would be futile while all strings are in use.
        if table.futile == 0 && table.sweep() > 0 {
            return fits(table);
        }
        table.futile = (table.futile + 1) % SWEEP_EVERY;
        fits(table)
    }
}

impl Table {
    /// Clock eviction: a string requested since the last sweep stays until the next.
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
        let evicted = before - self.strings.len();
        self.evicted += evicted as u64;
        evicted
    }
}

impl fmt::Debug for Interner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interner").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

const SHARDS: usize = 16;
/// Strings that justify a shard of their own.
const STRINGS_PER_SHARD: usize = 64;
/// Strings that a full shard refuses between two sweeps when the first one evicted none.
const SWEEP_EVERY: u64 = 64;

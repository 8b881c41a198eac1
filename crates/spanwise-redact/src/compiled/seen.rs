//! The keys that were seen last, with their rules.

use super::rule_set::RuleSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

/// The rules of keys of at most 96 bytes.
///
/// A program has few keys, and each of them costs its search once. Threads read without a lock; a thread that finds another one
/// writing searches. Keys that are new each time, as a hostile peer may send them, replace others rarely. The size is fixed.
#[derive(Debug)]
pub(super) struct Seen {
    short: Table<SHORT>,
    long: Table<LONG>,
}

/// Keys of at most `8 * N` bytes.
#[derive(Debug)]
struct Table<const N: usize> {
    slots: Box<[[Slot<N>; WAYS]]>,
    /// Mixed into hashes, so that no peer knows which keys share a slot.
    seed: u64,
    /// Keys that were not found. Threads may lose counts of each other.
    misses: AtomicU64,
}

/// One key. That of a short key is a line of the cache.
#[derive(Debug)]
#[repr(align(64))]
struct Slot<const N: usize> {
    /// Odd while a thread writes; grows with each write. 0: the slot is empty.
    version: AtomicU64,
    len: AtomicU64,
    key: [AtomicU64; N],
    rules: [AtomicU64; 2],
}

/// A key as words: equal for equal keys of the same length only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Words<const N: usize> {
    len: u64,
    words: [u64; N],
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { short: Table::new(SHORT_BUCKETS), long: Table::new(LONG_BUCKETS) }
    }

    /// The rules of a key, from the table or from `search`.
    #[inline]
    pub(super) fn rules(&self, key: &[u8], search: impl FnOnce() -> RuleSet) -> RuleSet {
        match Words::of(key) {
            Some(words) => self.short.rules(&words, search),
            None => self.long_key(key, search),
        }
    }

    /// The rules of a key of at most 32 bytes that is in the table.
    #[inline(always)]
    pub(super) fn known(&self, key: &[u8]) -> Option<RuleSet> {
        let words = Words::of(key)?;
        self.short.bucket(&words).iter().find_map(|slot| slot.get(&words))
    }

    #[inline(never)]
    fn long_key(&self, key: &[u8], search: impl FnOnce() -> RuleSet) -> RuleSet {
        match Words::of_long(key) {
            Some(words) => self.long.rules(&words, search),
            None => search(),
        }
    }
}

impl<const N: usize> Table<N> {
    fn new(buckets: usize) -> Self {
        let slots = (0..buckets).map(|_| std::array::from_fn(|_| Slot::default())).collect();
        Self { slots, seed: RandomState::new().hash_one(0), misses: AtomicU64::new(0) }
    }

    #[inline(always)]
    fn rules(&self, key: &Words<N>, search: impl FnOnce() -> RuleSet) -> RuleSet {
        let bucket = self.bucket(key);
        for slot in bucket {
            if let Some(rules) = slot.get(key) {
                return rules;
            }
        }
        self.insert(bucket, key, search())
    }

    #[inline(always)]
    fn bucket(&self, key: &Words<N>) -> &[Slot<N>] {
        let (mut even, mut odd) = (self.seed, MULTIPLIER ^ key.len);
        for pair in key.words.as_chunks::<2>().0 {
            even = even.rotate_left(23) ^ pair[0];
            odd = odd.rotate_left(29) ^ pair[1];
        }
        // Both halves of the product: the low one lacks the high bits of the factors.
        let product = u128::from(even) * u128::from(odd);
        let folded = product as u64 ^ (product >> 64) as u64;
        // Keys that differ in a digit differ in few bits of one factor: with some seeds not in the low ones of the product.
        let hash = folded.wrapping_mul(MULTIPLIER) >> 48;
        let bucket = self.slots.get(hash as usize & (self.slots.len() - 1));
        bucket.map_or(&[], |slots| slots.as_slice())
    }

    #[cold]
    fn insert(&self, bucket: &[Slot<N>], key: &Words<N>, rules: RuleSet) -> RuleSet {
        // ORDER: Relaxed: the count chooses a slot, and publishes nothing.
        let misses = self.misses.load(Relaxed).wrapping_add(1);
        self.misses.store(misses, Relaxed);
        let empty = bucket.iter().find(|slot| slot.version.load(Relaxed) == 0);
        let replaced = || {
            let is_turn = misses.is_multiple_of(MISSES_OF_A_REPLACEMENT);
            bucket.get((misses / MISSES_OF_A_REPLACEMENT) as usize % WAYS).filter(|_| is_turn)
        };
        if let Some(slot) = empty.or_else(replaced) {
            slot.set(key, rules);
        }
        rules
    }
}

impl<const N: usize> Slot<N> {
    #[inline]
    fn get(&self, key: &Words<N>) -> Option<RuleSet> {
        // ORDER: Acquire: pairs with the Release of the writer that ended with this version.
        let version = self.version.load(Acquire);
        let mut differs = self.len.load(Relaxed) ^ key.len;
        for (word, own) in self.key.iter().zip(key.words) {
            differs |= word.load(Relaxed) ^ own;
        }
        if differs != 0 || version & 1 == 1 || version == 0 {
            return None;
        }
        let [low, high] = [&self.rules[0], &self.rules[1]].map(|word| word.load(Relaxed));
        // ORDER: Acquire: the loads above come before the second load of the version; pairs with the fence of a writer.
        fence(Acquire);
        let is_unchanged = self.version.load(Relaxed) == version;
        is_unchanged.then(|| RuleSet::from_words([low, high]))
    }

    /// Stores a key, unless another thread writes.
    fn set(&self, key: &Words<N>, rules: RuleSet) {
        let version = self.version.load(Relaxed);
        let next = version.wrapping_add(1);
        // ORDER: Acquire: the stores below come after it. A failed exchange needs no order.
        if version & 1 == 1
            || self.version.compare_exchange(version, next, Acquire, Relaxed).is_err()
        {
            return;
        }
        // ORDER: Release: a reader that sees one of the stores below sees the odd version too; pairs with the fence of `get`.
        fence(Release);
        self.len.store(key.len, Relaxed);
        self.key.iter().zip(key.words).for_each(|(word, own)| word.store(own, Relaxed));
        self.rules.iter().zip(rules.to_words()).for_each(|(word, own)| word.store(own, Relaxed));
        // ORDER: Release publishes the stores above; pairs with the Acquire in `get`.
        self.version.store(next.wrapping_add(1), Release);
    }
}

impl<const N: usize> Default for Slot<N> {
    fn default() -> Self {
        Self {
            version: AtomicU64::default(),
            len: AtomicU64::default(),
            key: std::array::from_fn(|_| AtomicU64::default()),
            rules: Default::default(),
        }
    }
}

#[inline(always)]
fn word(bytes: Option<&[u8; 8]>) -> u64 {
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl Words<SHORT> {
    /// `None` for a key that is too long.
    #[inline(always)]
    fn of(key: &[u8]) -> Option<Self> {
        let words = match key.len() {
            17..=32 => {
                let (head, tail) = (key.first_chunk::<16>()?, key.last_chunk::<16>()?);
                let [a, b] = [head.first_chunk(), head.last_chunk()].map(word);
                let [c, d] = [tail.first_chunk(), tail.last_chunk()].map(word);
                [a, b, c, d]
            }
            8..=16 => [word(key.first_chunk()), word(key.last_chunk()), 0, 0],
            0..8 => [key.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0, 0, 0],
            _ => return None,
        };
        Some(Self { len: key.len() as u64, words })
    }
}

impl Words<LONG> {
    /// `None` for a key that is shorter than a word or too long.
    fn of_long(key: &[u8]) -> Option<Self> {
        if key.len() > 8 * LONG {
            return None;
        }
        let mut words = [0; LONG];
        let (last, others) = words.split_last_mut()?;
        others.iter_mut().zip(key.as_chunks().0).for_each(|(own, bytes)| *own = word(Some(bytes)));
        *last = word(Some(key.last_chunk()?));
        Some(Self { len: key.len() as u64, words })
    }
}

/// A number without pattern: the fraction of the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Slots of a bucket.
const WAYS: usize = 2;
/// Words of a short key, and of a long one.
const SHORT: usize = 4;
const LONG: usize = 12;
/// 512 slots of 64 bytes: 32 KiB.
const SHORT_BUCKETS: usize = 256;
/// 128 slots of 128 bytes: 16 KiB.
const LONG_BUCKETS: usize = 64;
/// In a full bucket, one of this number of keys that are not found replaces another.
const MISSES_OF_A_REPLACEMENT: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn set(number: usize) -> RuleSet {
        let mut set = RuleSet::default();
        set.insert(number % 128);
        set
    }

    #[test]
    fn keys_of_all_lengths_have_their_own_rules() {
        let seen = Seen::new();
        for len in 0..100 {
            for letter in [b'a', b'b', 0] {
                let mut key = vec![b'a'; len];
                for at in 0..len {
                    key[at] = letter;
                    let rules = set(len * 3 + at);
                    let searched = seen.rules(&key, || rules);
                    let again = seen.rules(&key, || rules);
                    assert!(searched == again || letter == b'a', "{key:?}");
                }
            }
        }
    }

    #[test]
    fn a_key_is_found_again_and_the_table_recovers_from_a_flood() {
        let seen = Seen::new();
        assert_eq!(seen.rules(b"http.route", || set(3)), set(3));
        assert_eq!(seen.rules(b"http.route", || panic!("it is in the table")), set(3));
        assert!(searches_behind_a_flood(&seen, 100_000) < 4_000);
        // With each seed few keys share a bucket with two others, which take their slots from each other.
        let mut searches: Vec<_> =
            (0..25).map(|_| searches_behind_a_flood(&Seen::new(), 2_000)).collect();
        searches.sort_unstable();
        assert!(searches[12] < 1_000 && searches[24] < 4_000, "{searches:?}");
    }

    /// Of 10,000 looks at 50 keys that differ in a digit or two.
    fn searches_behind_a_flood(seen: &Seen, flood: usize) -> usize {
        for number in 0..flood {
            let key = format!("flood{number}");
            assert_eq!(seen.rules(key.as_bytes(), || set(number)), set(number));
        }
        let mut searches = 0;
        for _ in 0..200 {
            for number in 0..50 {
                let key = format!("http.request.header.{number}");
                let rules = seen.rules(key.as_bytes(), || {
                    searches += 1;
                    set(number)
                });
                assert_eq!(rules, set(number));
            }
        }
        searches
    }

    #[test]
    fn threads_that_write_and_read_at_once_find_the_rules_of_their_own_keys() {
        let seen = Seen::new();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (seen, is_over) = (&seen, &is_over);
                scope.spawn(move || {
                    for round in 0..100_000usize {
                        let number = (round * (thread + 7)) % 3_000;
                        let key = format!("key.number.{number}");
                        let rules = seen.rules(key.as_bytes(), || set(number));
                        assert_eq!(rules, set(number), "{key}");
                    }
                    is_over.store(true, Relaxed);
                });
            }
        });
        assert!(is_over.into_inner());
    }
}

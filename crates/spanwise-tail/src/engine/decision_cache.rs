//! Decisions that are remembered for spans that arrive late.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::outgoing_trace_state::ThresholdUpdate;
#[cfg(feature = "planted-bugs")]
use crate::planted::{TailBug, planted};

/// The policies of decided traces, in least recently used order. The key is the right half of the trace id, as in the Collector.
pub(crate) struct DecisionCache {
    entries: Vec<Entry>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The changes of thresholds of the entries, if they are remembered. Apart, because most caches have none.
    updates: Option<Vec<[u32; 2]>>,
    max: usize,
    /// The entry that was used last.
    newest: u32,
    /// The entry that is replaced next.
    oldest: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    key: [u32; 2],
    newer: u32,
    older: u32,
    policy: u16,
    /// The time of the decision, in seconds modulo 65,536.
    decided: u16,
}

impl DecisionCache {
    /// A cache of at most `max` decisions, whose memory is allocated at once.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            entries: Vec::with_capacity(max),
            index: HashTable::with_capacity(max),
            hasher: DefaultHashBuilder::default(),
            updates: None,
            max,
            newest: NONE,
            oldest: NONE,
        }
    }

    /// The same cache, which remembers changes of thresholds, too.
    pub(crate) fn with_updates(self) -> Self {
        Self { updates: Some(vec![[0; 2]; self.max]), ..self }
    }

    /// The bytes of memory that the changes of `max` decisions take.
    pub(crate) fn update_bytes(max: usize) -> usize {
        max.saturating_mul(size_of::<[u32; 2]>())
    }

    /// The policy of the decision that was used last.
    pub(crate) fn policy(&self) -> Option<u16> {
        let policy = self.entries.get(self.newest as usize)?.policy;
        (policy != NO_POLICY).then_some(policy)
    }

    /// The change of the decision that was used last.
    pub(crate) fn update(&self) -> ThresholdUpdate {
        let updates = self.updates.as_ref();
        let update = updates.and_then(|updates| updates.get(self.newest as usize));
        update.map_or(ThresholdUpdate::None, |[high, low]| {
            ThresholdUpdate::from_bits(u64::from(*high) << 32 | u64::from(*low))
        })
    }

    /// Remembers the change of the decision that was put last.
    pub(crate) fn set_update(&mut self, update: ThresholdUpdate) {
        let newest = self.newest as usize;
        if let Some(place) = self.updates.as_mut().and_then(|updates| updates.get_mut(newest)) {
            let bits = update.to_bits();
            *place = [(bits >> 32) as u32, bits as u32];
        }
    }

    /// The time of the decision that was used last, as it was set; 0 if the cache remembers none.
    #[inline]
    pub(crate) fn decided(&self) -> u16 {
        self.entries.get(self.newest as usize).map_or(0, |entry| entry.decided)
    }

    /// Remembers the time of the decision that was put last.
    pub(crate) fn set_decided(&mut self, seconds: u16) {
        if let Some(entry) = self.entries.get_mut(self.newest as usize) {
            entry.decided = seconds;
        }
    }

    /// The most bytes of memory of a cache of `max` decisions.
    pub(crate) fn bytes(max: usize) -> usize {
        // A table is at least seven eighths full before it doubles: 16/7 places for each entry, of five bytes.
        max.saturating_mul(size_of::<Entry>() + 12)
    }

    /// The policy of a decided trace; `Some(None)` if no policy decided. The decision counts as used.
    #[inline]
    pub(crate) fn get(&mut self, trace_id: [u8; 16]) -> Option<Option<u16>> {
        if self.entries.is_empty() {
            return None;
        }
        let key = key_of(trace_id);
        self.find(key, hash(&self.hasher, key))
    }

    #[inline]
    fn find(&mut self, key: [u32; 2], hash: u64) -> Option<Option<u16>> {
        let entries = &self.entries;
        let is_same =
            |index: &u32| entries.get(*index as usize).is_some_and(|entry| entry.key == key);
        let index = *self.index.find(hash, is_same)?;
        #[cfg(feature = "planted-bugs")]
        if planted(TailBug::CacheByInsertion) {
            let policy = self.entries.get(index as usize)?.policy;
            return Some((policy != NO_POLICY).then_some(policy));
        }
        if index != self.newest {
            self.unlink(index);
            self.link_newest(index);
        }
        let policy = self.entries.get(index as usize)?.policy;
        Some((policy != NO_POLICY).then_some(policy))
    }

    /// Remembers a decision, in place of the one that was not used for the longest time if the cache is full.
    pub(crate) fn put(&mut self, trace_id: [u8; 16], policy: Option<u16>) {
        let policy = policy.unwrap_or(NO_POLICY);
        if self.max == 0 {
            return;
        }
        let key = key_of(trace_id);
        let key_hash = hash(&self.hasher, key);
        if self.find(key, key_hash).is_some() {
            let newest = self.newest as usize;
            if let Some(entry) = self.entries.get_mut(newest) {
                entry.policy = policy;
            }
            return;
        }
        let entry = Entry { key, newer: NONE, older: NONE, policy, decided: 0 };
        let index = if self.entries.len() < self.max {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        } else {
            let oldest = self.oldest;
            self.unlink(oldest);
            if let Some(place) = self.entries.get_mut(oldest as usize) {
                let hash = hash(&self.hasher, place.key);
                if let Ok(found) = self.index.find_entry(hash, |found| *found == oldest) {
                    found.remove();
                }
                *place = entry;
            }
            oldest
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert_unique(key_hash, index, |index| {
            let entry = entries.get(*index as usize);
            hash(hasher, entry.map(|entry| entry.key).unwrap_or_default())
        });
        self.link_newest(index);
    }

    /// Changes the size, whether changes of thresholds are remembered, and the policies of the decisions.
    pub(crate) fn rebuild(
        &mut self,
        max: usize,
        has_updates: bool,
        policy: impl Fn(u16) -> Option<u16>,
    ) {
        let policy_of = |entry: &Entry| Some(entry.policy).filter(|policy| *policy != NO_POLICY);
        if (max, has_updates) == (self.max, self.updates.is_some()) {
            for entry in &mut self.entries {
                entry.policy = policy_of(entry).and_then(&policy).unwrap_or(NO_POLICY);
            }
            return;
        }
        let cache = Self::new(max);
        let cache = if has_updates { cache.with_updates() } else { cache };
        let old = std::mem::replace(self, cache);
        let mut next = old.oldest;
        while let Some(entry) = old.entries.get(next as usize) {
            let [high, low] = entry.key.map(u32::to_be_bytes);
            let mut trace_id = [0; 16];
            trace_id[8..12].copy_from_slice(&high);
            trace_id[12..].copy_from_slice(&low);
            self.put(trace_id, policy_of(entry).and_then(&policy));
            let newest = self.newest as usize;
            if let Some(Entry { newer, older, policy, .. }) = self.entries.get(newest).copied()
                && let Some(place) = self.entries.get_mut(newest)
            {
                *place = Entry { newer, older, policy, ..*entry };
            }
            let update = old.updates.as_ref().and_then(|updates| updates.get(next as usize));
            if let (Some(update), Some(updates)) = (update, &mut self.updates)
                && let Some(place) = updates.get_mut(newest)
            {
                *place = *update;
            }
            next = entry.newer;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some((newer, older)) = self.entries.get(index as usize).map(|e| (e.newer, e.older))
        else {
            return;
        };
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, index: u32) {
        let before = std::mem::replace(&mut self.newest, index);
        if let Some(entry) = self.entries.get_mut(index as usize) {
            (entry.newer, entry.older) = (NONE, before);
        }
        match self.entries.get_mut(before as usize) {
            Some(entry) => entry.newer = index,
            None => self.oldest = index,
        }
    }
}

/// The right half of a trace id.
fn key_of(trace_id: [u8; 16]) -> [u32; 2] {
    let right = u128::from_be_bytes(trace_id) as u64;
    [(right >> 32) as u32, right as u32]
}

/// Hashed as one number, which takes a fraction of the instructions that an array takes.
fn hash(hasher: &DefaultHashBuilder, [high, low]: [u32; 2]) -> u64 {
    hasher.hash_one(u64::from(high) << 32 | u64::from(low))
}

const NONE: u32 = u32::MAX;
/// No policy has this index.
const NO_POLICY: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(right: u64) -> [u8; 16] {
        (7u128 << 64 | u128::from(right)).to_be_bytes()
    }

    #[test]
    fn the_least_recently_used_decision_is_replaced() {
        let mut cache = DecisionCache::new(3);
        for key in 1..=3 {
            cache.put(id(key), Some(key as u16));
        }
        assert_eq!(cache.get(id(1)), Some(Some(1)));
        cache.put(id(4), None);
        assert_eq!(cache.get(id(2)), None);
        assert_eq!(cache.get(id(4)), Some(None));
        cache.put(id(3), Some(9));
        cache.put(id(5), Some(5));
        assert_eq!(cache.get(id(1)), None);
        assert_eq!(cache.get(id(3)), Some(Some(9)));
        assert_eq!(cache.index.len(), 3);
    }

    #[test]
    fn a_long_random_sequence_behaves_like_a_list() {
        let mut cache = DecisionCache::new(8);
        let mut list: Vec<u64> = Vec::new();
        let mut state = 1u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (key, puts) = (state >> 60, state >> 40 & 1 == 1);
            let known = list.contains(&key);
            if puts {
                cache.put(id(key), None);
            } else {
                assert_eq!(cache.get(id(key)).is_some(), known, "{key}");
            }
            if known || puts {
                list.retain(|other| *other != key);
                list.push(key);
                if list.len() > 8 {
                    list.remove(0);
                }
            }
        }
    }

    #[test]
    fn a_change_of_the_threshold_stays_with_its_decision() {
        use spanwise_sampling::Threshold;
        let update = |digits| ThresholdUpdate::Compose(Threshold::parse(digits).unwrap());
        let mut cache = DecisionCache::new(2).with_updates();
        for (key, digits) in [(1, "1"), (2, "2"), (3, "3")] {
            cache.put(id(key), None);
            cache.set_update(update(digits));
        }
        assert_eq!(cache.get(id(2)), Some(None));
        assert_eq!(cache.update(), update("2"));
        assert_eq!(cache.get(id(3)), Some(None));
        assert_eq!(cache.update(), update("3"));
        let mut without = DecisionCache::new(2);
        without.put(id(1), None);
        without.set_update(update("1"));
        assert_eq!(without.update(), ThresholdUpdate::None);
    }

    #[test]
    fn a_cache_of_none_remembers_nothing() {
        let mut cache = DecisionCache::new(0);
        cache.put(id(1), None);
        assert_eq!(cache.get(id(1)), None);
    }

    const _: () = assert!(size_of::<Entry>() == 20);
}

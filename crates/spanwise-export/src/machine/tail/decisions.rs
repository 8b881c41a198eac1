//! The latest decisions, which spans that arrive late follow.

use crate::tail_sampling::TailDecision;
use spanwise_batch::{Budget, Charge};

/// A set-associative cache of fixed size: a decision displaces the oldest one of its set.
pub(super) struct Decisions {
    // Before `charge`: memory is freed first.
    sets: Vec<[u64; WAYS]>,
    /// A byte of the hash of each entry. Nearly all traces that begin are in no set, and these bytes alone, which stay in
    /// the cache, show it.
    tags: Vec<u64>,
    /// The way of each set that is written next.
    next: Vec<u8>,
    #[expect(dead_code, reason = "held for its drop")]
    charge: Option<Charge>,
}

impl Decisions {
    /// A cache of a 64th of `budget`, and an eighth of that for its tags: for 32,768 decisions with 16 MiB.
    pub(super) fn new(budget: &Budget) -> Self {
        let set = size_of::<[u64; WAYS]>();
        let count = (budget.limit() / 64 / set).clamp(1, MAX_SETS);
        // A power of two: the sets are found by a mask.
        let count = 1 << count.ilog2();
        let charge = budget.try_charge_reserved(count * (set + size_of::<u64>() + size_of::<u8>()));
        let count = if charge.is_some() { count } else { 0 };
        Self { sets: vec![[0; WAYS]; count], tags: vec![0; count], next: vec![0; count], charge }
    }

    /// Reads the tags for this hash, so that [`Self::get`] finds them in the cache: many reads at once wait for memory
    /// together.
    pub(super) fn warm(&self, hash: u64) -> u64 {
        self.tags.get(self.set(hash)).copied().unwrap_or_default()
    }

    /// The decision about the trace with this hash, if it is remembered.
    pub(super) fn get(&self, hash: u64) -> Option<TailDecision> {
        let set = self.set(hash);
        let way = self.way(set, hash)?;
        match self.sets.get(set)?[way] & CODE {
            SAMPLED => Some(TailDecision::Sampled),
            NOT_SAMPLED => Some(TailDecision::NotSampled),
            CODE => Some(TailDecision::Dropped),
            _ => None,
        }
    }

    /// Remembers a decision.
    pub(super) fn put(&mut self, hash: u64, decision: TailDecision) {
        let code = match decision {
            TailDecision::Sampled => SAMPLED,
            TailDecision::NotSampled => NOT_SAMPLED,
            TailDecision::Dropped => CODE,
        };
        let set = self.set(hash);
        // The trace itself may be there already.
        let known = self.way(set, hash);
        let Some(next) = self.next.get_mut(set) else { return };
        let way = known.unwrap_or_else(|| {
            let way = usize::from(*next);
            *next = (*next + 1) % WAYS as u8;
            way
        });
        if let (Some(entries), Some(tags)) = (self.sets.get_mut(set), self.tags.get_mut(set)) {
            entries[way] = hash & !CODE | code;
            *tags = *tags & !(0xff << (8 * way)) | tag(hash) << (8 * way);
        }
    }

    fn set(&self, hash: u64) -> usize {
        hash as usize & self.sets.len().wrapping_sub(1)
    }

    /// The way of a set that has the entry of this hash.
    fn way(&self, set: usize, hash: u64) -> Option<usize> {
        let different = self.tags.get(set)? ^ (tag(hash) * ONES);
        // The high bit of each byte that is 0, and of some others.
        let mut equal = different.wrapping_sub(ONES) & !different & (ONES << 7);
        while equal != 0 {
            let way = (equal.trailing_zeros() / 8) as usize;
            let entry = self.sets.get(set)?[way];
            if entry | CODE == hash | CODE && entry != 0 {
                return Some(way);
            }
            equal &= equal - 1;
        }
        None
    }
}

/// The byte of a hash that is its tag: of bits that neither choose the set nor are in [`CODE`].
fn tag(hash: u64) -> u64 {
    hash >> 48 & 0xff
}

/// Decisions of a set: those of a cache line, and a tag for each in a word.
const WAYS: usize = 8;
/// The lowest bit of each byte.
const ONES: u64 = u64::MAX / 0xff;
/// The bits of an entry that have the decision; 0 is no entry.
const CODE: u64 = 3 << 62;
const MAX_SETS: usize = 1 << 16;
const SAMPLED: u64 = 1 << 62;
const NOT_SAMPLED: u64 = 2 << 62;

#[cfg(test)]
mod tests {
    use super::super::trace_id_hasher::TraceIdHasher;
    use super::*;
    use spanwise_wire::TraceId;

    #[test]
    fn the_latest_decisions_are_remembered_within_a_fixed_size() {
        let budget = Budget::new(1 << 20);
        let mut decisions = Decisions::new(&budget);
        let charged = budget.charged();
        assert!(charged > 0 && charged <= (1 << 20) / 56);
        let all = [TailDecision::Sampled, TailDecision::NotSampled, TailDecision::Dropped];
        let hasher = TraceIdHasher::new();
        let id = |number: u128| {
            hasher.hash(TraceId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) + 1))
        };
        for number in 0..100_000 {
            assert_eq!(decisions.get(id(number)), None, "{number}");
            let decision = all[number as usize % 3];
            decisions.put(id(number), decision);
            assert_eq!(decisions.get(id(number)), Some(decision), "{number}");
        }
        let remembered = (0..100_000).filter(|number| decisions.get(id(*number)).is_some()).count();
        assert_eq!(remembered, (1 << 20) / 64 / 8);
        // A second decision about a trace replaces the first.
        decisions.put(id(99_999), TailDecision::Dropped);
        assert_eq!(decisions.get(id(99_999)), Some(TailDecision::Dropped));
        assert_eq!(budget.charged(), charged);
        drop(decisions);
        assert_eq!(budget.charged(), 0);
    }
}

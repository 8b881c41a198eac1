//! The latest decisions, which spans that arrive late follow.

use super::trace_id_hasher::TraceIdHasher;
use crate::tail_sampling::TailDecision;
use spanwise_batch::{Budget, Charge};
use spanwise_wire::TraceId;

/// A set-associative cache of fixed size: a decision displaces the oldest one of its set.
pub(super) struct Decisions {
    // Before `charge`: memory is freed first.
    sets: Vec<[u64; WAYS]>,
    #[expect(dead_code, reason = "held for its drop")]
    charge: Option<Charge>,
    hasher: TraceIdHasher,
}

impl Decisions {
    /// A cache within a 64th of `budget`: for 32,768 decisions with 16 MiB.
    pub(super) fn new(budget: &Budget, hasher: TraceIdHasher) -> Self {
        let set = size_of::<[u64; WAYS]>();
        let count = (budget.limit() / 64 / set).clamp(1, MAX_SETS);
        // A power of two: the sets are found by a mask.
        let count = 1 << count.ilog2();
        match budget.try_charge_reserved(count * set) {
            Some(charge) => Self { sets: vec![[0; WAYS]; count], charge: Some(charge), hasher },
            None => Self { sets: Vec::new(), charge: None, hasher },
        }
    }

    /// The decision about this trace, if it is remembered.
    pub(super) fn get(&self, trace_id: TraceId) -> Option<TailDecision> {
        let hash = self.hasher.hash(trace_id);
        let set = self.sets.get(hash as usize & self.sets.len().wrapping_sub(1))?;
        let entry = set.iter().find(|entry| **entry | CODE == hash | CODE && **entry != 0)?;
        match entry & CODE {
            SAMPLED => Some(TailDecision::Sampled),
            NOT_SAMPLED => Some(TailDecision::NotSampled),
            CODE => Some(TailDecision::Dropped),
            _ => None,
        }
    }

    /// Remembers a decision.
    pub(super) fn put(&mut self, trace_id: TraceId, decision: TailDecision) {
        let hash = self.hasher.hash(trace_id);
        let code = match decision {
            TailDecision::Sampled => SAMPLED,
            TailDecision::NotSampled => NOT_SAMPLED,
            TailDecision::Dropped => CODE,
        };
        let mask = self.sets.len().wrapping_sub(1);
        let Some(set) = self.sets.get_mut(hash as usize & mask) else { return };
        // The trace itself may be there already.
        let last = set.iter().position(|entry| *entry | CODE == hash | CODE);
        set[..=last.unwrap_or(WAYS - 1)].rotate_right(1);
        set[0] = hash & !CODE | code;
    }
}

/// Decisions of a set: those of a cache line.
const WAYS: usize = 8;
/// The bits of an entry that have the decision; 0 is no entry.
const CODE: u64 = 3 << 62;
const MAX_SETS: usize = 1 << 16;
const SAMPLED: u64 = 1 << 62;
const NOT_SAMPLED: u64 = 2 << 62;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_decisions_are_remembered_within_a_fixed_size() {
        let budget = Budget::new(1 << 20);
        let mut decisions = Decisions::new(&budget, TraceIdHasher::new());
        let charged = budget.charged();
        assert!(charged > 0 && charged <= (1 << 20) / 64);
        let all = [TailDecision::Sampled, TailDecision::NotSampled, TailDecision::Dropped];
        let id = |number: u128| {
            TraceId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) + 1)
        };
        for number in 0..100_000 {
            assert_eq!(decisions.get(id(number)), None, "{number}");
            let decision = all[number as usize % 3];
            decisions.put(id(number), decision);
            assert_eq!(decisions.get(id(number)), Some(decision), "{number}");
        }
        let remembered = (0..100_000).filter(|number| decisions.get(id(*number)).is_some()).count();
        assert_eq!(remembered, charged / 8);
        // A second decision about a trace replaces the first.
        decisions.put(id(99_999), TailDecision::Dropped);
        assert_eq!(decisions.get(id(99_999)), Some(TailDecision::Dropped));
        assert_eq!(budget.charged(), charged);
        drop(decisions);
        assert_eq!(budget.charged(), 0);
    }
}

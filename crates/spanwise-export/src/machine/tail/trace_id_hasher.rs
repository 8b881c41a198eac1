//! The hash of a trace id, keyed: trace ids come from other services.

use spanwise_wire::TraceId;
use std::hash::{BuildHasher, RandomState};

/// Hashes trace ids by two multiplications. Its keys are random, so that no sender can choose ids that collide.
#[derive(Clone, Copy)]
pub(super) struct TraceIdHasher {
    keys: [u64; 2],
}

impl TraceIdHasher {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        Self { keys: [random.hash_one(0), random.hash_one(1)] }
    }

    pub(super) fn hash(&self, trace_id: TraceId) -> u64 {
        let (high, low) = ((trace_id.0 >> 64) as u64, trace_id.0 as u64);
        // With an unlucky key, the low bits of the first product are equal for ids that follow each other.
        multiply(multiply(high ^ self.keys[0], low ^ self.keys[1]), MIX)
    }
}

/// Both halves of the product, in one.
fn multiply(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    (product >> 64) as u64 ^ product as u64
}

/// An odd number without a pattern in its bits: 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The low bits choose a set of the remembered decisions, and a set has eight of them.
    #[test]
    fn ids_that_follow_each_other_spread_with_every_key() {
        let worst = |keys| {
            let hasher = TraceIdHasher { keys };
            let mut sets = BTreeMap::new();
            for id in 1..=60 {
                *sets.entry(hasher.hash(TraceId(id)) % 256).or_insert(0) += 1;
            }
            sets.into_values().max()
        };
        for power in 0..64 {
            for key in [1, 3, 0x55] {
                let keys = [key << power, 0x1234_5678_9abc_def0];
                assert!(worst(keys) <= Some(8), "{keys:x?}: {:?}", worst(keys));
            }
        }
    }
}

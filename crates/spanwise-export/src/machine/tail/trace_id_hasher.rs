//! The hash of a trace id, keyed: trace ids come from other services.

use spanwise_wire::TraceId;
use std::hash::{BuildHasher, RandomState};

/// Hashes trace ids by one multiplication. Its keys are random, so that no sender can choose ids that collide.
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
        let product = u128::from(high ^ self.keys[0]) * u128::from(low ^ self.keys[1]);
        (product >> 64) as u64 ^ product as u64
    }
}

//! The hash of a trace id, keyed: trace ids come from other services.

use spanwise_wire::TraceId;
use std::hash::{BuildHasher, Hasher, RandomState};

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

impl BuildHasher for TraceIdHasher {
    type Hasher = TraceIdHash;

    fn build_hasher(&self) -> TraceIdHash {
        TraceIdHash { hasher: *self, hash: 0 }
    }
}

/// The state of [`TraceIdHasher`] for one id.
pub(super) struct TraceIdHash {
    hasher: TraceIdHasher,
    hash: u64,
}

impl Hasher for TraceIdHash {
    fn write_u128(&mut self, id: u128) {
        self.hash ^= self.hasher.hash(TraceId(id));
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte) ^ u128::from(self.hash) << 64);
        }
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

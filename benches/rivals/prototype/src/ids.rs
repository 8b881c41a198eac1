//! Identifiers of traces and spans.

use std::hash::{BuildHasher as _, RandomState};

/// A multiplicative congruential generator of 128 bits: one multiplication an id.
#[derive(Debug)]
pub struct Ids(u128);

impl Ids {
    /// Seeded by the keys that std draws from the system for its hash maps.
    pub fn new() -> Self {
        let state = RandomState::new();
        let [high, low] = [0_u8, 1].map(|half| u128::from(state.hash_one(half)));
        // The generator needs an odd state.
        Self(high << 64 | low | 1)
    }

    /// 64 random bits that are not all zero.
    #[inline(always)]
    pub fn draw(&mut self) -> u64 {
        loop {
            self.0 = self.0.wrapping_mul(MULTIPLIER);
            let bits = (self.0 >> 64) as u64;
            if bits != 0 {
                return bits;
            }
        }
    }
}

/// L'Ecuyer's multiplier of 64 bits for this modulus.
const MULTIPLIER: u128 = 0xda94_2042_e4dd_58b5;

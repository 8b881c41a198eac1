//! [`Random`]: the random generator of a world, from whose seed every event follows.

use spanwise_worker::__private::{INCREMENT, mix};
use std::time::Duration;

/// A SplitMix64 generator. Equal seeds draw equal numbers, on every machine.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator of one part of a world: parts with different names draw independent numbers, so
    /// that a new draw in one of them leaves the others as they were.
    pub fn new(seed: u64, part: &str) -> Self {
        let state = part.bytes().fold(mix(seed.wrapping_add(INCREMENT)), |state, byte| {
            mix(state.wrapping_add(INCREMENT) ^ u64::from(byte))
        });
        Self { state }
    }

    /// A number of all of `u64`.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(INCREMENT);
        mix(self.state)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below((high - low).saturating_add(1))
    }

    /// True once in `count` draws.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// A number from `low` to `high` whose logarithm is uniform: small numbers are as frequent as
    /// large ones.
    pub fn scaled(&mut self, low: u64, high: u64) -> u64 {
        let bits = u64::from((high - low + 1).ilog2() + 1);
        let bound = 1_u64 << self.between(0, bits);
        (low + self.below(bound)).min(high)
    }

    /// A time in whole milliseconds, as [`scaled`](Self::scaled).
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.scaled(low, high))
    }

    /// One of `items`, each in proportion to its weight. The list is not empty.
    pub fn pick<T: Copy>(&mut self, items: &[(u32, T)]) -> T {
        let sum: u64 = items.iter().map(|&(weight, _)| u64::from(weight)).sum();
        let mut at = self.below(sum);
        for &(weight, item) in items {
            match at.checked_sub(u64::from(weight)) {
                Some(rest) => at = rest,
                None => return item,
            }
        }
        items[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_draw_equal_numbers_and_parts_are_independent() {
        let draws = |seed, part| {
            let mut random = Random::new(seed, part);
            [random.draw(), random.draw()]
        };
        // Fixed: a seed replays the same world on every machine.
        assert_eq!(draws(7, "network"), draws(7, "network"));
        assert_ne!(draws(7, "network"), draws(8, "network"));
        assert_ne!(draws(7, "network"), draws(7, "threads"));
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut random = Random::new(1, "");
        let mut seen = [false; 3];
        for _ in 0..10_000 {
            assert!((3..=9).contains(&random.between(3, 9)));
            assert!((5..=1_000).contains(&random.scaled(5, 1_000)));
            assert_eq!(random.below(0), 0);
            seen[random.pick(&[(1, 0), (5, 1), (1, 2)])] = true;
        }
        assert_eq!(seen, [true; 3]);
    }
}

//! Random trace and span ids.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Random ids for a root span, never zero.
#[inline(always)]
pub(crate) fn trace_and_span_id() -> (u128, u64) {
    with_generator(|state| {
        let trace_id = u128::from(state.next_nonzero()) << 64 | u128::from(state.next_nonzero());
        (trace_id, state.next_nonzero())
    })
}

/// A random span id, never zero.
#[inline(always)]
pub(crate) fn span_id() -> u64 {
    with_generator(Xoshiro::next_nonzero)
}

/// xoshiro256++ (Blackman, Vigna: *Scrambled Linear Pseudorandom Number Generators*, 2019).
///
/// 256 bits of state, because a fleet makes many streams: with the 64 bits of a smaller generator
/// two of a million threads would soon run through the same ids.
#[derive(Clone, Copy)]
struct Xoshiro([u64; 4]);

impl Xoshiro {
    /// Seeds from the operating system's randomness, by way of std's hasher keys. These move on
    /// with each `RandomState`, so two threads never get the same.
    #[cold]
    fn seeded() -> Self {
        let word = || {
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u64(0x7370_616e_7769_7365);
            hasher.finish()
        };
        Self([word(), word(), word(), word() | 1])
    }

    /// Never zero, which is no id.
    #[inline(always)]
    fn next_nonzero(&mut self) -> u64 {
        let id = self.next();
        if id != 0 { id } else { 1 }
    }

    #[inline(always)]
    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }
}

thread_local! {
    // Without a destructor: ids can be made at any time of a thread's life. Word by word, because
    // a 16-byte load of what was just stored as two words waits for the stores to retire.
    static GENERATOR: [Cell<u64>; 4] = const { [const { Cell::new(0) }; 4] };
}

#[inline(always)]
fn with_generator<T>(draw: impl FnOnce(&mut Xoshiro) -> T) -> T {
    GENERATOR.with(|[a, b, c, d]| {
        let mut state = Xoshiro([a.get(), b.get(), c.get(), d.get()]);
        // A seeded state passes through this once in 2⁶⁴ draws, and is then seeded anew.
        if state.0[3] == 0 {
            state = Xoshiro::seeded();
        }
        let drawn = draw(&mut state);
        a.set(state.0[0]);
        b.set(state.0[1]);
        c.set(state.0[2]);
        d.set(state.0[3]);
        drawn
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn follows_the_published_generator() {
        // First outputs for the state 1, 2, 3, 4, as the authors' C code gives them.
        let mut state = Xoshiro([1, 2, 3, 4]);
        let first = [state.next(), state.next(), state.next()];
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223]);
    }

    #[test]
    fn threads_draw_different_ids() {
        let draw = || (0..1000).map(|_| trace_and_span_id()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(draw)).collect();
        let mut seen = HashSet::new();
        for thread in threads {
            for (trace, span) in thread.join().unwrap() {
                assert!(trace != 0 && span != 0);
                assert!(seen.insert(trace) && seen.insert(u128::from(span)));
            }
        }
    }
}

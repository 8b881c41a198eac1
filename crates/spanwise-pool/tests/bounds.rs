//! Constructors with absurd sizes.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use spanwise_pool::{Buffer, BufferPool, Interner, Pool, Reset, TierObject, TieredPool};

#[test]
fn sizes_above_the_bounds_are_reduced() {
    const MAX: usize = usize::MAX;
    /// The maximum number of slots.
    const SLOTS: usize = 1 << 20;
    const MOST: usize = 64 << 20;
    assert_eq!(Pool::<Small>::new(MAX).capacity(), SLOTS);
    assert_eq!(Pool::<Small>::new(SLOTS + 1).capacity(), SLOTS);
    assert_eq!(Pool::<Small>::new(1000).capacity(), 1000);
    // Slots of large objects take 64 MiB at most.
    let large = Pool::<Large>::new(MAX).capacity();
    assert!((10_000..=16_384).contains(&large), "{large}");

    let vec = <Vec<u64> as TierObject>::with_capacity(MAX);
    assert_eq!(vec.capacity(), MOST / 8);
    assert_eq!(<Vec<()> as TierObject>::with_capacity(MAX).len(), 0);
    assert_eq!(<Vec<u8> as Buffer>::with_capacity(MAX).capacity(), MOST);

    let tiers = TieredPool::<Vec<u8>>::with_tiers(&[0, 1, MAX, MAX - 1], 2);
    for expected in [0, 1, 2, MAX] {
        let mut guard = tiers.acquire(expected).unwrap();
        guard.push(1);
    }
    let _idle = (tiers.trim(), tiers.trim());
    let many: Vec<usize> = (0..10_000).collect();
    assert_eq!(TieredPool::<Vec<u8>>::with_tiers(&many, 1).stats().count(), 64);

    let buffers = BufferPool::<Vec<u8>>::new(2, MAX).with_byte_limit(MAX);
    assert_eq!(Buffer::capacity(&*buffers.acquire()), MOST);
    let _idle = (buffers.trim(), buffers.trim());

    let interner = Interner::new(MAX, MAX);
    assert_eq!(&*interner.intern(&"x".repeat(1000)), "x".repeat(1000));
    let none = Interner::new(0, 0);
    assert_eq!((&*none.intern("x"), none.stats().strings), ("x", 0));
}

struct Small(#[expect(dead_code, reason = "has a size")] u8);

impl Reset for Small {
    fn reset(&mut self) -> bool {
        true
    }
}

struct Large(#[expect(dead_code, reason = "has a size")] [u8; 4096]);

impl Reset for Large {
    fn reset(&mut self) -> bool {
        true
    }
}

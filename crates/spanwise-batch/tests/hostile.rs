//! Spans whose `as_ref` changes its result, panics, or pushes another span.
//!
//! `cargo xtask sanitize` runs this under the address sanitizer: bytes that are longer at the second
//! call would be written behind their chunk.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_batch::{ChargedChunk, PushError, ShardedBuffer};
use spanwise_wire::SpanMeta;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};
use support::{ids, meta, push, shards, small, sorted, span};

/// A span whose `as_ref` returns another length at each call.
struct Flicker {
    id: u64,
    lens: &'static [usize],
    calls: Cell<usize>,
    bytes: Vec<u8>,
}

impl Flicker {
    fn new(id: u64, lens: &'static [usize]) -> Self {
        let longest = lens.iter().copied().max().unwrap_or(0);
        Self { id, lens, calls: Cell::new(id as usize), bytes: span(id, longest) }
    }
}

impl AsRef<[u8]> for Flicker {
    fn as_ref(&self) -> &[u8] {
        let call = self.calls.replace(self.calls.get() + 1);
        &self.bytes[..self.lens[call % self.lens.len()]]
    }
}

/// Drains all stored spans and checks them byte by byte.
fn drained(shards: &ShardedBuffer) -> Vec<u64> {
    let mut buffers: Vec<ChargedChunk> = Vec::new();
    shards.drain_all(&mut buffers);
    let found = ids(&buffers);
    shards.recycle(buffers);
    found
}

#[test]
fn bytes_that_change_their_length_are_stored_as_one_of_the_lengths() {
    let lens: [&[usize]; 4] = [&[8, 100_000], &[0, 1, 2], &[200, 9, 3_000], &[100_000, 0]];
    for (slots, chunk_bytes, chunk_spans) in [(1, 256, 4), (4, 4096, 64), (2, 65_536, 2)] {
        let shards = shards(small(slots, chunk_bytes, chunk_spans), 64 << 20);
        let mut stored = Vec::new();
        for id in 0..200 {
            let flicker = Flicker::new(id, lens[id as usize % lens.len()]);
            let far = Instant::now() + Duration::from_secs(60);
            let stored_now = match id % 3 {
                0 => shards.push(&flicker, meta(id)).is_ok(),
                1 => shards.push_until(&flicker, meta(id), far, || {}).is_ok(),
                _ => {
                    shards.try_push_local(&flicker, || meta(id))
                        || shards.push(&flicker, meta(id)).is_ok()
                }
            };
            if stored_now {
                stored.push(flicker.id);
            }
            if id % 50 == 49 {
                assert_eq!(sorted(drained(&shards)), std::mem::take(&mut stored));
            }
        }
        assert_eq!(sorted(drained(&shards)), stored);
        shards.trim(0);
        assert_eq!(shards.budget().charged(), 0);
    }
}

struct Panics;

impl AsRef<[u8]> for Panics {
    fn as_ref(&self) -> &[u8] {
        resume_unwind(Box::new("no bytes"))
    }
}

#[test]
fn a_panic_during_a_push_stores_nothing_and_releases_the_slot() {
    let shards = shards(small(1, 4096, 64), 1 << 20);
    let _pushed = push(&shards, 1, 40).unwrap();
    for _ in 0..10 {
        let far = Instant::now() + Duration::from_secs(60);
        let attempts: [&dyn Fn(); 3] = [
            &|| _ = shards.push(&Panics, meta(9)),
            &|| _ = shards.push_until(&Panics, meta(9), far, || {}),
            &|| _ = shards.try_push_local(&Panics, || meta(9)),
        ];
        for attempt in attempts {
            assert!(catch_unwind(AssertUnwindSafe(attempt)).is_err());
        }
        // This closure panics while the slot is held, if this thread has one.
        let no_meta = || shards.try_push_local(&span(9, 40), || resume_unwind(Box::new("no meta")));
        assert!(!catch_unwind(AssertUnwindSafe(no_meta)).unwrap_or(false));
        // The only slot is free.
        let _pushed = push(&shards, 2, 40).unwrap();
    }
    let found = drained(&shards);
    assert_eq!((found.len(), found[0]), (11, 1));
    assert!(!found.contains(&9));
}

/// A span whose `as_ref` pushes another span and drains.
struct Reentrant<'a> {
    shards: &'a ShardedBuffer,
    bytes: Vec<u8>,
}

impl AsRef<[u8]> for Reentrant<'_> {
    fn as_ref(&self) -> &[u8] {
        let _any = push(self.shards, 1, 40);
        let mut taken = Vec::new();
        self.shards.drain_full(&mut taken, 1);
        self.shards.recycle(taken);
        &self.bytes
    }
}

#[test]
fn a_span_may_push_spans_while_it_is_pushed() {
    let shards = shards(small(1, 1 << 16, 1024), 1 << 20);
    for _ in 0..20 {
        let reentrant = Reentrant { shards: &shards, bytes: span(2, 40) };
        let _pushed = shards.push(&reentrant, meta(2)).unwrap();
        let inside = || {
            // This thread holds the slot here.
            let _spilled = push(&shards, 3, 40);
            let _none = shards.ready();
            meta(2)
        };
        if !shards.try_push_local(&reentrant, inside) {
            let _pushed = push(&shards, 2, 40).unwrap();
        }
    }
    let found = drained(&shards);
    assert_eq!(found.iter().filter(|&&id| id == 2).count(), 40);
}

#[test]
fn a_waker_that_panics_or_drains_leaves_the_budget_intact() {
    let shards = shards(small(1, 512, 8), 4096);
    while push(&shards, 1, 100).is_ok() {}
    let full = shards.budget().charged();
    let far = Instant::now() + Duration::from_secs(60);
    let wait = |wake: &dyn Fn()| shards.push_until(&span(2, 100), meta(2), far, wake);
    let panics = AssertUnwindSafe(|| wait(&|| resume_unwind(Box::new("no waker"))));
    assert!(catch_unwind(panics).is_err());
    assert_eq!(shards.budget().charged(), full);
    // The waker itself frees space, on the waiting thread.
    let _pushed = wait(&|| drop(drained(&shards))).unwrap();
    assert_eq!(drained(&shards), [2]);
}

#[test]
fn spans_that_change_or_panic_cost_no_span_of_another_thread() {
    const THREADS: u64 = 4;
    const EACH: u64 = 500;
    let shards = shards(small(2, 2048, 16), 64 << 20);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let shards = &shards;
            scope.spawn(move || {
                for n in 0..EACH {
                    let id = thread * EACH + n;
                    let _pushed = push(shards, id, 50).unwrap();
                    let flicker = Flicker::new(u64::MAX, &[1, 5_000, 0]);
                    flicker.calls.set(n as usize);
                    let _any = shards.push(&flicker, meta(u64::MAX));
                    let panics = AssertUnwindSafe(|| shards.push(&Panics, SpanMeta::default()));
                    assert!(catch_unwind(panics).is_err());
                }
            });
        }
    });
    let stored: Vec<u64> = drained(&shards).into_iter().filter(|&id| id != u64::MAX).collect();
    assert_eq!(sorted(stored), (0..THREADS * EACH).collect::<Vec<_>>());
}

#[test]
fn a_span_larger_than_the_budget_fails() {
    let shards = shards(small(1, 256, 4), 1024);
    let huge = vec![0; 1 << 20];
    assert!(matches!(shards.push(&huge, meta(1)), Err(PushError::Budget)));
    assert_eq!(drained(&shards), []);
}

//! After a burst, memory is freed within a minute: virtual seconds, real bytes.
#![cfg(not(loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use spanwise_pool::span::Attribute;
use spanwise_pool::{BufferPool, PooledSpan, SpanPool, TieredPool};

/// Counts the allocated bytes.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is forwarded to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller fulfils `System`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: `block` came from `System` with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

/// A virtual minute: a few acquisitions each second, a trim every 30 seconds.
fn a_minute(mut each_second: impl FnMut(), trim: impl Fn()) {
    for second in 1..=60 {
        each_second();
        if second % 30 == 0 {
            trim();
        }
    }
}

/// Compares the bytes allocated when idle, after a burst, and a minute later. One test, so that no
/// other test allocates meanwhile.
#[test]
fn the_memory_of_a_burst_is_freed_within_a_minute() {
    spans();
    tiers();
    buffers();
}

#[track_caller]
fn check(idle: (usize, usize), burst: (usize, usize), after: (usize, usize)) {
    assert!(burst.0 > 5 * idle.0 && burst.1 > 5 * idle.1, "no burst: {idle:?}, {burst:?}");
    assert!(after.0 * 5 <= idle.0 * 6, "allocated: {idle:?} when idle, {after:?} after");
    assert!(after.1 * 5 <= idle.1 * 6, "retained: {idle:?} when idle, {after:?} after");
}

fn spans() {
    let before = LIVE.load(Relaxed);
    let pool = SpanPool::new(512);
    let slots = LIVE.load(Relaxed) - before;
    let live = || (LIVE.load(Relaxed) - before - slots, pool.stats().retained_bytes);
    let trickle = || drop([pool.acquire(), pool.acquire(), pool.acquire()]);
    let trim = || _ = pool.trim();
    a_minute(trickle, trim);
    let idle = live();
    let spans = (0..2000).map(|size| {
        let mut span = pool.acquire();
        span.attributes.extend((0..size % 300).map(|_| Attribute::new("k", 1)));
        span
    });
    drop(spans.collect::<Vec<_>>());
    let burst = live();
    a_minute(trickle, trim);
    check(idle, burst, live());
}

fn tiers() {
    let before = LIVE.load(Relaxed);
    let pool = TieredPool::<PooledSpan>::new(64);
    let slots = LIVE.load(Relaxed) - before;
    let retained = || pool.stats().map(|(_, stats)| stats.retained_bytes).sum();
    let live = || (LIVE.load(Relaxed) - before - slots, retained());
    let trickle = || drop((pool.acquire(4), pool.acquire(20), pool.acquire(100)));
    let trim = || _ = pool.trim();
    a_minute(trickle, trim);
    let idle = live();
    // Spans that grow beyond their expected size.
    let spans = (0..500).map(|size| {
        let mut span = pool.acquire(4);
        let span_mut = span.as_mut().map(|span| &mut span.attributes);
        span_mut
            .into_iter()
            .for_each(|list| list.extend((0..size).map(|_| Attribute::new("k", 1))));
        span
    });
    drop(spans.collect::<Vec<_>>());
    let burst = live();
    a_minute(trickle, trim);
    check(idle, burst, live());
}

fn buffers() {
    let before = LIVE.load(Relaxed);
    let pool = BufferPool::<Vec<u8>>::new(256, 4096);
    let slots = LIVE.load(Relaxed) - before;
    let live = || (LIVE.load(Relaxed) - before - slots, pool.stats().retained_bytes);
    let trickle = || drop((pool.acquire(), pool.acquire().freeze()));
    let trim = || _ = pool.trim();
    a_minute(trickle, trim);
    let idle = live();
    let spans = (0..1000).map(|size| {
        let mut buffer = pool.acquire();
        buffer.resize(size * 16, 1);
        buffer.freeze()
    });
    drop(spans.collect::<Vec<_>>());
    let burst = live();
    a_minute(trickle, trim);
    check(idle, burst, live());
}

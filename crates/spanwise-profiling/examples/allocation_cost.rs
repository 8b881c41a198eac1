//! The cost of an allocation and of a sample, against the allocator of the system; and of a CPU profile's signal.
//!
//! `cargo run --release -p spanwise-profiling --example allocation_cost`

use spanwise_profiling::SamplingAllocator;
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::time::Instant;

static SAMPLING: SamplingAllocator = SamplingAllocator::system();
static OFF: SamplingAllocator = SamplingAllocator::system().with_rate(0);
static EVERY: SamplingAllocator = SamplingAllocator::system().with_rate(1);

/// Nanoseconds of a pair of `alloc` and `dealloc`.
fn pair(allocator: &impl GlobalAlloc, size: usize, rounds: u32) -> f64 {
    let Ok(layout) = Layout::from_size_align(size, 8) else { return f64::NAN };
    let started = Instant::now();
    for _ in 0..rounds {
        // SAFETY: the size is not 0, and the block goes back with its layout.
        unsafe {
            let block = black_box(allocator.alloc(black_box(layout)));
            allocator.dealloc(black_box(block), black_box(layout));
        }
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
}

/// The smallest of rounds in turns: other programs on the machine only add.
fn best<const N: usize>(measures: [&dyn Fn() -> f64; N]) -> [f64; N] {
    let mut all = [f64::INFINITY; N];
    for _ in 0..101 {
        for (best, measure) in all.iter_mut().zip(&measures) {
            *best = measure().min(*best);
        }
    }
    all
}

/// The signal of a CPU profile: its delivery, the stack and the return.
#[cfg(unix)]
fn signal() {
    let Ok(profiler) = spanwise_profiling::CpuProfiler::start() else { return };
    let raise = || {
        let started = Instant::now();
        for _ in 0..1000 {
            // SAFETY: the profiler has installed a handler.
            unsafe { libc::raise(libc::SIGPROF) };
        }
        started.elapsed().as_secs_f64() * 1e9 / 1000.0
    };
    let [nanos] = best([&raise]);
    drop(profiler);
    println!("a signal of a CPU profile: {nanos:.0} ns");
}

#[cfg(not(unix))]
fn signal() {}

fn main() {
    for size in [16, 64, 1024] {
        let [system, off, sampling] =
            best([&|| pair(&System, size, 50_000), &|| pair(&OFF, size, 50_000), &|| {
                pair(&SAMPLING, size, 50_000)
            }]);
        println!(
            "{size:5} bytes: system {system:.1} ns, sampling off +{:.1} ns, one in 512 KiB +{:.1} ns",
            off - system,
            sampling - system
        );
    }
    SAMPLING.set_rate(1);
    let [system, sampled] = best([&|| pair(&System, 64, 1000), &|| pair(&EVERY, 64, 1000)]);
    println!("a sample and its end: {:.0} ns", sampled - system);
    signal();
}

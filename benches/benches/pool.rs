//! Pools beside no pool, `object-pool` and a list of the thread's own; tiers, buffers, interner.
//!
//! The cases are those of `benches/micro/pools`, which runs them under three allocators and joins
//! `cargo xtask bench-all`.

// As public there, where it is a library's.
#[allow(unreachable_pub, reason = "shared with a library")]
#[path = "../micro/pools/src/cases.rs"]
mod cases;

#[path = "../profiler.rs"]
mod profiler;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::thread;
use std::time::{Duration, Instant};

fn pool(criterion: &mut Criterion) {
    for case in cases::cases() {
        let mut group = criterion.benchmark_group(case.group);
        group.throughput(Throughput::Elements(1));
        for &threads in case.threads {
            group.bench_function(format!("{} x{threads}", case.name), |bencher| {
                bencher.iter_custom(|ops| on(threads, || (case.run)(ops)));
            });
        }
        group.finish();
    }
}

/// Wall time of the slowest, shared out: `threads` that take turns on fewer processors are not
/// slower for that.
fn on(threads: usize, run: impl Fn() + Sync) -> Duration {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(threads);
    let started = Instant::now();
    match threads {
        1 => run(),
        _ => thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(&run);
            }
        }),
    }
    started.elapsed() * cores as u32 / threads as u32
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .with_profiler(profiler::Pprof::default())
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = pool
}
criterion_main!(benches);

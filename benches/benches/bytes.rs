//! Bodies that lie in pieces: one copy beside a chain with vectored writes.
//!
//! The cases are those of `benches/micro/pools`, which also counts their instructions and joins
//! `cargo xtask bench-all`. Here they are wall time; a thread that reads shares the machine.

// As public there, where they are a library's.
#[allow(clippy::expect_used, reason = "a bench that cannot continue must fail")]
#[allow(unreachable_pub, reason = "shared with a library")]
#[path = "../micro/pools/src/bodies.rs"]
mod bodies;
#[allow(dead_code, unreachable_pub, reason = "shared with a library; only its types are used")]
#[path = "../micro/pools/src/cases.rs"]
mod cases;

#[path = "../profiler.rs"]
mod profiler;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::{Duration, Instant};

fn bytes(criterion: &mut Criterion) {
    for case in bodies::bodies(|_| true) {
        let mut group = criterion.benchmark_group(case.group);
        group.throughput(Throughput::Elements(1));
        group.bench_function(case.name, |bencher| {
            bencher.iter_custom(|ops| {
                let started = Instant::now();
                (case.run)(ops);
                started.elapsed()
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .with_profiler(profiler::Pprof::default())
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = bytes
}
criterion_main!(benches);

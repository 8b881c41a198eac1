//! A thousand tasks three ways, and what a permit costs. The whole comparison, with memory, is
//! `micro-workers` of `benches/micro/pools`, part of `cargo xtask bench-all`.

#[path = "../profiler.rs"]
mod profiler;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanwise_worker::{RateLimiter, Semaphore, WorkerPool};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

fn tasks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("1000 tasks");
    group.throughput(Throughput::Elements(TASKS));

    let done = Arc::new(AtomicU64::new(0));
    group.bench_function("thread per task", |bencher| {
        bencher.iter(|| {
            let threads: Vec<_> = (0..TASKS).map(|_| thread::spawn(task(&done))).collect();
            threads.into_iter().for_each(|thread| assert!(thread.join().is_ok()));
            finished(&done);
        });
    });
    if let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build() {
        group.bench_function("tokio task per task", |bencher| {
            bencher.iter(|| {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|_| {
                        let task = task(&done);
                        runtime.spawn(async move { task() })
                    })
                    .collect();
                runtime.block_on(async {
                    for task in tasks {
                        assert!(task.await.is_ok());
                    }
                });
                finished(&done);
            });
        });
    }
    if let Ok(pool) = WorkerPool::builder("bench").with_threads(2).with_queue(1000).build() {
        group.bench_function("WorkerPool", |bencher| {
            bencher.iter(|| {
                let far = Instant::now() + Duration::from_secs(60);
                (0..TASKS).for_each(|_| assert!(pool.submit_until(task(&done), far).is_ok()));
                while done.load(SeqCst) < TASKS {
                    thread::yield_now();
                }
                finished(&done);
            });
        });
    }
    group.finish();
}

fn permits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("permit");
    let semaphore = Semaphore::new(4);
    group.bench_function("Semaphore::try_acquire", |bencher| {
        bencher.iter(|| assert!(black_box(semaphore.try_acquire()).is_some()));
    });
    if let Ok(limiter) = RateLimiter::new(1_000_000_000, u32::MAX) {
        group.bench_function("RateLimiter::try_acquire", |bencher| {
            bencher.iter(|| assert!(black_box(limiter.try_acquire()).is_ok()));
        });
    }
    group.finish();
}

/// A microsecond's work.
fn task(done: &Arc<AtomicU64>) -> impl FnOnce() + Send + 'static {
    let done = done.clone();
    move || {
        let sum: u64 = (0..1000_u64).map(black_box).sum();
        assert_eq!(sum, 499_500);
        done.fetch_add(1, SeqCst);
    }
}

/// Every task ran, once.
fn finished(done: &AtomicU64) {
    assert_eq!(done.swap(0, SeqCst), TASKS);
}

const TASKS: u64 = 1000;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .with_profiler(profiler::Pprof::default()).sample_size(10).measurement_time(Duration::from_secs(2));
    targets = tasks, permits
}
criterion_main!(benches);

//! Nanoseconds of one observation, with one thread and with all processors busy:
//! `cargo run --release -p spanwise-metrics --example observation_cost`.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use spanwise_metrics::{
    CounterRecorder, ExponentialHistogramRecorder, HistogramRecorder, RecorderError,
};

const OBSERVATIONS: u64 = 5_000_000;
const ROUNDS: usize = 7;

fn main() -> Result<(), RecorderError> {
    let seconds = [
        0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.4, 2.0, 5.0, 10.0, 15.0,
    ];
    let nanoseconds = 1_000_000_000;
    let shared = AtomicU64::new(0);
    let counter = CounterRecorder::new();
    let contended = CounterRecorder::with_shards(0)?;
    let explicit =
        HistogramRecorder::builder().with_bounds(seconds).with_divisor(nanoseconds).build()?;
    let exponential = ExponentialHistogramRecorder::builder().with_divisor(nanoseconds).build()?;
    report("nothing", &|value| {
        black_box(value);
    });
    report("one AtomicU64 for all threads", &|value| {
        shared.fetch_add(value & 1, Relaxed);
    });
    report("CounterRecorder", &|value| counter.add(value & 1));
    report("CounterRecorder, shared shard", &|value| contended.add(value & 1));
    report("HistogramRecorder, 16 bounds", &|value| explicit.record(value));
    report("ExponentialHistogramRecorder", &|value| exponential.record(value));
    // All observations arrived.
    let threads = 1 + processors();
    let all = OBSERVATIONS * (threads * ROUNDS) as u64;
    assert_eq!((explicit.point().count(), exponential.point().count()), (all, all));
    println!(
        "memory: {} and {} bytes for both histograms",
        explicit.memory_bytes(),
        exponential.memory_bytes()
    );
    Ok(())
}

/// Prints the best of several rounds.
fn report(name: &str, observe: &(impl Fn(u64) + Sync)) {
    let best = |threads: usize| {
        let rounds = (0..ROUNDS).map(|_| nanos_per_observation(threads, observe));
        rounds.fold(f64::INFINITY, f64::min)
    };
    println!("{name:<32} {:>6.2} ns  {:>6.2} ns", best(1), best(processors()));
}

fn nanos_per_observation(threads: usize, observe: &(impl Fn(u64) + Sync)) -> f64 {
    let started = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let mut random = thread as u64 + 1;
                for _ in 0..OBSERVATIONS {
                    // Durations of up to 17 s, most of them short.
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    observe(random >> (30 + (random >> 60)));
                }
            });
        }
    });
    started.elapsed().as_nanos() as f64 / OBSERVATIONS as f64
}

fn processors() -> usize {
    thread::available_parallelism().map_or(2, usize::from)
}

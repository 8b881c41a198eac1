//! A bench to copy: the time and the allocations that tracing adds to your code.
//!
//! Copy this file to the folder `benches` of your package, as `tracing.rs`, and replace the body of `handler`. The page
//! `docs/benchmarking-your-code.md` of Spanwise has the lines for `Cargo.toml`.

use criterion::{Criterion, criterion_group, criterion_main};
use spanwise::opentelemetry::KeyValue;
use spanwise::opentelemetry::trace::{Span as _, Tracer, noop::NoopTracer};
use spanwise::testing::{CountingAllocator, count_allocations};
use spanwise::transport::Outcome;
use spanwise::{Bytes, FlushError, OnFull, Spanwise};
use std::hint::black_box;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// The code under test, in place of this. `global::tracer` returns a `Tracer`, too.
fn handler<T: Tracer>(tracer: &T, order: i64) -> usize {
    let mut span = tracer.start("GET /orders/{id}");
    span.set_attribute(KeyValue::new("http.request.method", "GET"));
    span.set_attribute(KeyValue::new("order.id", order));
    let page = black_box(format!("<h1>Order {order}</h1>"));
    span.end();
    page.len()
}

/// The spans that one call of `handler` makes.
const SPANS: u64 = 1;

/// The allocations of a span that you accept, on the thread that makes it.
const LIMIT: f64 = 0.0;

/// Fails if a span allocates more than [`LIMIT`].
pub fn allocations() -> Result<(), FlushError> {
    let tracing = tracing();
    let tracer = tracing.tracer("bench");
    // Warm caches: before that a thread allocates a record, and the buffer its chunks.
    for order in 0..WARM_UP {
        black_box(handler(&tracer, order));
    }
    tracing.force_flush()?;

    let without = allocations_of(|order| handler(&NoopTracer::new(), order));
    let with = allocations_of(|order| handler(&tracer, order));
    let each = with.saturating_sub(without) as f64 / (CALLS as u64 * SPANS) as f64;
    println!("{CALLS} calls: {without} allocations without tracing, {with} with; {each} a span");
    assert!(each <= LIMIT, "a span allocates {each} times; the limit is {LIMIT}");

    let ledger = tracing.shutdown()?.ledger;
    let spans = (WARM_UP + CALLS) as u64 * SPANS;
    assert_eq!((ledger.created, ledger.exported), (spans, spans), "{ledger}");
    Ok(())
}

fn allocations_of(handler: impl Fn(i64) -> usize) -> u64 {
    let calls = || (0..CALLS).map(&handler).sum::<usize>();
    let (total, allocations) = count_allocations(calls);
    black_box(total);
    allocations.count
}

/// Times the handler without and with tracing; the difference is the cost of [`SPANS`] spans.
pub fn times(criterion: &mut Criterion) {
    assert!(allocations().is_ok());
    let mut group = criterion.benchmark_group("handler");
    let noop = NoopTracer::new();
    group.bench_function("without tracing", |bencher| {
        bencher.iter(|| handler(&noop, black_box(4711)));
    });
    let tracing = tracing();
    let tracer = tracing.tracer("bench");
    group.bench_function("with tracing", |bencher| {
        bencher.iter(|| handler(&tracer, black_box(4711)));
    });
    group.finish();
    let report = tracing.shutdown();
    // A lost span costs less than an exported one, and would make the time look better.
    assert!(report.is_ok_and(|report| report.ledger.exported == report.ledger.created));
}

/// Exports every span to a sink that drops its bytes: the cost of a receiver is none of your code's.
fn tracing() -> Spanwise {
    let sink = |_: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
    let builder = Spanwise::builder().with_sink(sink).with_sampling_ratio(1.0);
    let built = builder.with_on_full(OnFull::Wait(Duration::from_secs(10))).build();
    built.unwrap_or_else(|error| unreachable!("{error}"))
}

const WARM_UP: i64 = 50_000;
const CALLS: i64 = 10_000;

criterion_group!(benches, times);
criterion_main!(benches);

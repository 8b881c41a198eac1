//! The benchmarks of the source document (§9): the creation of a span with two attributes, and the export of 1,000
//! spans as one batch.
//!
//! Each case checks its answer: the spans that arrive are those that were made. `cargo xtask bench-all` has the whole
//! comparison (`w1`, `batch-export`) with processor time; here the counting allocator adds some nanoseconds to each
//! allocation of the rivals.

#[path = "../profiler.rs"]
mod profiler;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry::KeyValue;
use opentelemetry::trace::noop::NoopTracer;
use opentelemetry::trace::{Span as _, Tracer, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
    SpanProcessor,
};
use spanwise::pool::SpanPool;
use spanwise::testing::{Allocations, CountingAllocator, count_allocations};
use spanwise::transport::Outcome;
use spanwise::wire::read::TraceRequest;
use spanwise::{Bytes, OnFull, SpanKind, Spanwise};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// §9.1, `BenchmarkSpanCreation`: the document has 1,200 ns, 384 B and 5 allocations; with a pool 240 ns, 64 B and 1.
pub fn span_creation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("span of two attributes");
    group.throughput(Throughput::Elements(1));

    let noop = NoopTracer::new();
    group.bench_function("API without a provider", |bencher| bencher.iter(|| create(&noop)));

    let arrived = Arc::new(AtomicU64::new(0));
    let made = AtomicU64::new(0);
    let stock = SdkTracerProvider::builder().with_span_processor(Count(arrived.clone())).build();
    let tracer = stock.tracer("bench");
    let once = || {
        made.fetch_add(1, SeqCst);
        create(&tracer);
    };
    group.bench_function("opentelemetry_sdk, processor that drops", |bencher| bencher.iter(once));
    print("opentelemetry_sdk", count_allocations(once).1);
    assert_eq!(arrived.load(SeqCst), made.load(SeqCst));

    let ours = Ours::new(8_192);
    let tracer = ours.spanwise.tracer("bench");
    group
        .bench_function("spanwise, API", |bencher| bencher.iter(|| ours.count(|| create(&tracer))));
    assert_eq!(print("spanwise, API", ours.warm(|| create(&tracer))), 0);
    let native = || {
        let mut span = tracer.root("GET /api/users", SpanKind::Server);
        span.attribute("http.method", "GET").attribute("http.url", "/api/users");
        span.finish();
    };
    group.bench_function("spanwise, native", |bencher| bencher.iter(|| ours.count(native)));
    assert_eq!(print("spanwise, native", ours.warm(native)), 0);
    let spans = SpanPool::new(64);
    let pooled = || {
        let mut span = spans.acquire();
        let sampled = tracer.start_pooled(&mut span, "GET /api/users", SpanKind::Server, None);
        span.set_attribute("http.method", "GET").set_attribute("http.url", "/api/users");
        assert!(sampled && tracer.finish_pooled(&span).is_ok());
    };
    group.bench_function("spanwise, pooled span", |bencher| bencher.iter(|| ours.count(pooled)));
    assert_eq!(print("spanwise, pooled span", ours.warm(pooled)), 0);
    group.finish();
    ours.check();
}

/// §9.2, `BenchmarkBatchExport`: the document has 30 µs, 8,192 B and 10 allocations.
pub fn batch_export(criterion: &mut Criterion) {
    const SPANS: u64 = 1_000;
    let mut group = criterion.benchmark_group("1000 spans as one batch");
    group.throughput(Throughput::Elements(SPANS));

    let (arrived, batches) = (Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(2_048)
        .with_max_export_batch_size(SPANS as usize)
        .build();
    let processor =
        BatchSpanProcessor::builder(Count(arrived.clone())).with_batch_config(config).build();
    let stock = SdkTracerProvider::builder().with_span_processor(processor).build();
    let tracer = stock.tracer("bench");
    group.bench_function("opentelemetry_sdk", |bencher| {
        bencher.iter(|| {
            batches.fetch_add(1, SeqCst);
            (0..SPANS).for_each(|_| create(&tracer));
            assert!(stock.force_flush().is_ok());
        });
    });
    assert_eq!(arrived.load(SeqCst), SPANS * batches.load(SeqCst));

    let ours = Ours::new(SPANS as usize);
    let tracer = ours.spanwise.tracer("bench");
    group.bench_function("spanwise, API", |bencher| {
        bencher.iter(|| {
            (0..SPANS).for_each(|_| ours.count(|| create(&tracer)));
            assert!(ours.spanwise.force_flush().is_ok());
        });
    });
    group.finish();
    ours.check();
}

fn create<T: Tracer>(tracer: &T) {
    let mut span = tracer.start("GET /api/users");
    span.set_attribute(KeyValue::new("http.method", "GET"));
    span.set_attribute(KeyValue::new("http.url", "/api/users"));
    span.end();
}

/// Spanwise in front of a sink that counts spans and drops them.
struct Ours {
    spanwise: Spanwise,
    arrived: Arc<AtomicU64>,
    made: AtomicU64,
}

impl Ours {
    fn new(batch: usize) -> Self {
        let arrived = Arc::new(AtomicU64::new(0));
        let count = arrived.clone();
        let sink = move |request: Bytes| {
            let spans = TraceRequest::new(&request).count_spans().unwrap_or_default();
            count.fetch_add(spans, SeqCst);
            std::future::ready(Outcome::Accepted { rejected: 0, message: None })
        };
        let builder = Spanwise::builder().with_environment(|_| None).with_sink(sink);
        let builder = builder.with_max_export_batch_size(batch);
        let built = builder.with_on_full(OnFull::Wait(Duration::from_secs(10))).build();
        let spanwise = built.unwrap_or_else(|error| unreachable!("{error}"));
        Self { spanwise, arrived, made: AtomicU64::new(0) }
    }

    fn count(&self, make: impl FnOnce()) {
        self.made.fetch_add(1, SeqCst);
        make();
    }

    /// The allocations of one call once the caches are warm, and chunks for its span are free.
    fn warm(&self, make: impl Fn()) -> Allocations {
        (0..50_000).for_each(|_| self.count(&make));
        assert!(self.spanwise.force_flush_timeout(Duration::from_secs(20)).is_ok());
        count_allocations(|| self.count(&make)).1
    }

    fn check(&self) {
        let report = self.spanwise.shutdown_timeout(Duration::from_secs(20));
        let made = self.made.load(SeqCst);
        let exported = report.map(|report| report.ledger.exported).unwrap_or_default();
        assert_eq!((self.arrived.load(SeqCst), exported), (made, made));
    }
}

fn print(name: &str, allocations: Allocations) -> u64 {
    println!("{name}: {allocations} a span");
    allocations.count
}

/// Counts spans and drops them.
#[derive(Debug)]
struct Count(Arc<AtomicU64>);

impl SpanProcessor for Count {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &opentelemetry::Context) {}

    fn on_end(&self, _: SpanData) {
        self.0.fetch_add(1, SeqCst);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl SpanExporter for Count {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.fetch_add(batch.len() as u64, SeqCst);
        Ok(())
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .with_profiler(profiler::Pprof::default())
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = span_creation, batch_export
}
criterion_main!(benches);

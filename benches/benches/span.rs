//! A span from start to end, ours against the stock SDK's, with nothing lost on either side.
//!
//! `w1` is one root span with two attributes; `w3` a request of five spans with 26 attributes and
//! an event, told per span. Both sides work in bursts that fit their buffers and are flushed
//! between them, untimed; ours goes all the way to a receiver on this machine, theirs to an
//! exporter that counts and drops. Every burst asserts that it arrived before its time counts.

use criterion::{Criterion, criterion_group, criterion_main};
use opentelemetry::trace::{
    Span as _, SpanBuilder, TraceContextExt as _, Tracer, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use spanwise::{SpanKind, Spanwise, Value};
use spanwise_receiver::Receiver;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn spans(criterion: &mut Criterion) {
    let ours = Ours::new();
    let theirs = Theirs::new();
    let tracer = ours.spanwise.tracer("bench");
    let stock = theirs.provider.tracer("bench");

    let mut w1 = criterion.benchmark_group("w1");
    w1.bench_function("otel-sdk-paced", |b| theirs.measure(b, 1, || api_w1(&stock)));
    w1.bench_function("spanwise", |b| ours.measure(b, 1, || api_w1(&tracer)));
    w1.bench_function("spanwise-native", |b| ours.measure(b, 1, || native_w1(&tracer)));
    w1.finish();

    let mut w3 = criterion.benchmark_group("w3 (5 spans)");
    w3.bench_function("otel-sdk-paced", |b| theirs.measure(b, 5, || api_w3(&stock)));
    w3.bench_function("spanwise", |b| ours.measure(b, 5, || api_w3(&tracer)));
    w3.bench_function("spanwise-native", |b| ours.measure(b, 5, || native_w3(&tracer)));
    w3.finish();
}

/// Our pipeline, in front of a receiver.
struct Ours {
    spanwise: Spanwise,
    receiver: Receiver,
    made: AtomicU64,
}

impl Ours {
    #[expect(clippy::expect_used, reason = "a bench that cannot start has nothing to say")]
    fn new() -> Self {
        let receiver = Receiver::builder().start().expect("a receiver");
        let spanwise = Spanwise::builder()
            .with_environment(|_| None)
            .with_endpoint(receiver.http_endpoint())
            .build()
            .expect("a provider");
        Self { spanwise, receiver, made: AtomicU64::new(0) }
    }

    fn measure(&self, bencher: &mut criterion::Bencher<'_>, spans: u64, work: impl Fn()) {
        bencher.iter_custom(|iterations| {
            bursts(iterations, spans, &work, |made| {
                let flushed = self.spanwise.force_flush(Duration::from_secs(60));
                assert!(flushed.is_ok(), "{flushed:?}");
                let made = self.made.fetch_add(made, SeqCst) + made;
                assert_eq!(self.spanwise.ledger().exported, made);
                assert_eq!(self.receiver.stats().spans, made);
            })
        });
    }
}

/// The stock SDK with the queue it needs to lose nothing in a burst.
struct Theirs {
    provider: SdkTracerProvider,
    exported: Arc<AtomicU64>,
    made: AtomicU64,
}

impl Theirs {
    fn new() -> Self {
        let exported = Arc::new(AtomicU64::new(0));
        let config = BatchConfigBuilder::default().with_max_queue_size(65_536).build();
        let processor = BatchSpanProcessor::builder(Counting(exported.clone()))
            .with_batch_config(config)
            .build();
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        Self { provider, exported, made: AtomicU64::new(0) }
    }

    fn measure(&self, bencher: &mut criterion::Bencher<'_>, spans: u64, work: impl Fn()) {
        bencher.iter_custom(|iterations| {
            bursts(iterations, spans, &work, |made| {
                let made = self.made.fetch_add(made, SeqCst) + made;
                // Its flush has a deadline of its own, and does not always wait for all.
                while self.exported.load(SeqCst) < made {
                    let _ = self.provider.force_flush();
                }
                assert_eq!(self.exported.load(SeqCst), made);
            })
        });
    }
}

/// Counts spans and drops them.
#[derive(Debug)]
struct Counting(Arc<AtomicU64>);

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.fetch_add(batch.len() as u64, SeqCst);
        Ok(())
    }
}

/// The time of `iterations` calls, in bursts with an untimed drain after each.
fn bursts(iterations: u64, spans: u64, work: &impl Fn(), drain: impl Fn(u64)) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let burst = left.min(BURST_SPANS / spans);
        let started = Instant::now();
        (0..burst).for_each(|_| work());
        spent += started.elapsed();
        drain(burst * spans);
        left -= burst;
    }
    spent
}

/// Spans of a burst: below the stock SDK's queue of 65,536, and far below our byte budget.
const BURST_SPANS: u64 = 20_000;

fn api_w1<T: Tracer>(tracer: &T) {
    let mut span = tracer.start("op");
    span.set_attribute(KeyValue::new("http.method", "GET"));
    span.set_attribute(KeyValue::new("http.status", 200));
    span.end();
}

fn native_w1(tracer: &spanwise::Tracer) {
    let mut span = tracer.root("op", SpanKind::Internal);
    span.attribute("http.method", "GET").attribute("http.status", 200);
    span.finish();
}

fn api_w3<T>(tracer: &T)
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    let mut server =
        tracer.build_with_context(SpanBuilder::from_name("GET /users/{id}"), &Context::new());
    for (key, value) in TEXTS {
        server.set_attribute(KeyValue::new(key, value));
    }
    server.set_attribute(KeyValue::new("server.port", 443));
    server.set_attribute(KeyValue::new("http.response.status_code", 200));
    let cx = Context::new().with_span(server);
    for child in 0..4i64 {
        let mut span = tracer.build_with_context(SpanBuilder::from_name("SELECT"), &cx);
        span.set_attribute(KeyValue::new("db.system.name", "postgresql"));
        span.set_attribute(KeyValue::new("db.operation.name", "SELECT"));
        span.set_attribute(KeyValue::new("db.collection.name", "orders"));
        span.set_attribute(KeyValue::new("db.response.returned_rows", child));
        if child == 0 {
            span.add_event("cache miss", vec![KeyValue::new("cache.key", "user:4711")]);
        }
        span.end();
    }
}

fn native_w3(tracer: &spanwise::Tracer) {
    let mut server = tracer.root("GET /users/{id}", SpanKind::Internal);
    for (key, value) in TEXTS {
        server.attribute(key, value);
    }
    server.attribute("server.port", 443).attribute("http.response.status_code", 200);
    for child in 0..4i64 {
        let mut span = tracer.child("SELECT", SpanKind::Internal, server.context());
        span.attribute("db.system.name", "postgresql")
            .attribute("db.operation.name", "SELECT")
            .attribute("db.collection.name", "orders")
            .attribute("db.response.returned_rows", child);
        if child == 0 {
            span.event("cache miss", &[("cache.key", Value::Str("user:4711"))]);
        }
        span.finish();
    }
    server.finish();
}

const TEXTS: [(&str, &str); 8] = [
    ("http.request.method", "GET"),
    ("url.path", "/users/4711/orders"),
    ("url.scheme", "https"),
    ("http.route", "/users/{id}/orders"),
    ("server.address", "shop.example.com"),
    ("network.protocol.version", "1.1"),
    ("client.address", "203.0.113.7"),
    ("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101"),
];

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = spans
}
criterion_main!(benches);

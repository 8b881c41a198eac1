//! Span processors see each recorded span at its start and at its end (specification, *Span processor*).
//! The oracles are the calls that a test made, and the exported spans as prost decodes them.

use crate::support;

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{Span as _, SpanContext, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use spanwise_sdk::read::ValueView;
use spanwise_sdk::sampling::{AlwaysRecord, Sampler};
use spanwise_sdk::{
    Bytes, Counter, Exporter, Outcome, ReadableSpan, Span, SpanKind, SpanProcessor, Spanwise,
    StatusCode, Tracer,
};
use spanwise_testkit::PanicOnDrop;
use std::future::ready;
use std::panic::panic_any;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{LONG, assert_idle, bench, builder};

/// A processor that logs its calls.
#[derive(Clone, Default)]
struct Log {
    name: &'static str,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    fn named(&self, name: &'static str) -> Self {
        Self { name, ..self.clone() }
    }

    fn push(&self, line: String) {
        self.lines.lock().unwrap().push(format!("{}{line}", self.name));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

impl SpanProcessor for Log {
    fn on_start(&self, span: &mut Span, parent: &Context) {
        let parent = parent.span().span_context().span_id();
        self.push(format!("start, parent {parent}, recording {}", span.is_recording()));
        span.attribute(if self.name.is_empty() { "processor" } else { self.name }, true);
    }

    fn on_end(&self, span: &ReadableSpan<'_>) {
        self.push(format!("end {}, sampled {}", span.name(), span.is_sampled()));
    }
}

/// A processor of one function, which runs at each end.
struct AtEnd<F>(F);

impl<F: Fn(&ReadableSpan<'_>) + Send + Sync + 'static> SpanProcessor for AtEnd<F> {
    fn on_end(&self, span: &ReadableSpan<'_>) {
        (self.0)(span);
    }
}

const NO_PARENT: &str = "parent 0000000000000000";

#[test]
fn processors_run_in_order_and_change_the_span_at_its_start() {
    let log = Log::default();
    let bench = bench(|builder| {
        builder.with_span_processor(log.named("a ")).with_span_processor(log.named("b "))
    });
    let tracer = bench.spanwise.tracer("processors");
    tracer.root("native", SpanKind::Server).finish();
    let started = format!("start, {NO_PARENT}, recording true");
    let expected = [
        format!("a {started}"),
        format!("b {started}"),
        "a end native, sampled true".to_owned(),
        "b end native, sampled true".to_owned(),
    ];
    assert_eq!(log.take(), expected);

    let mut span = tracer
        .span_builder("built")
        .with_attributes([KeyValue::new("given", 1)])
        .with_links(vec![opentelemetry::trace::Link::with_context(remote())])
        .start(&tracer);
    span.set_status(opentelemetry::trace::Status::Ok);
    span.update_name("renamed");
    span.end();
    drop(span);
    assert_eq!(log.take().last().unwrap(), "b end renamed, sampled true");

    let request = bench.finish();
    for span in spanwise_testkit::spans(&request) {
        let attributes = spanwise_testkit::attributes_map(&span.attributes);
        assert!(attributes.contains_key("a ") && attributes.contains_key("b "), "{span:?}");
        assert_eq!(attributes.contains_key("given"), span.name == "renamed");
        assert_eq!(span.links.len(), usize::from(span.name == "renamed"));
    }
}

fn remote() -> SpanContext {
    SpanContext::new(
        7u128.into(),
        9u64.into(),
        opentelemetry::trace::TraceFlags::SAMPLED,
        true,
        "vendor=1".parse().unwrap(),
    )
}

/// The readable span has the data of the exported span.
#[test]
fn a_readable_span_equals_the_exported_one() {
    type Seen = Arc<Mutex<Vec<(Vec<u8>, String)>>>;
    let seen = Seen::default();
    let sink = seen.clone();
    let processor = AtEnd(move |span: &ReadableSpan<'_>| {
        let scope = span.scope().unwrap();
        let text = format!("{} {}", scope.name().unwrap(), scope.version().unwrap());
        assert_eq!(span.encoded_len(), span.to_vec().len());
        assert_eq!(span.kind(), SpanKind::Client);
        assert_eq!(span.status_code(), StatusCode::Error);
        assert_eq!(span.status_message(), "broken");
        assert_eq!(span.trace_state(), "vendor=1");
        assert!(span.parent_is_remote());
        assert_eq!(span.attribute("key"), Some(ValueView::Str("last")));
        assert_eq!(span.attributes().count(), 2);
        assert_eq!((span.events().count(), span.links().count()), (1, 1));
        assert_eq!(span.dropped_attributes_count(), 1);
        assert_eq!((span.dropped_events_count(), span.dropped_links_count()), (0, 0));
        let meta = span.meta();
        assert_eq!(
            (meta.trace_id, meta.span_id, meta.parent_span_id),
            (span.trace_id(), span.span_id(), span.parent_span_id())
        );
        assert_eq!(meta.duration_nanos, span.end_unix_nanos() - span.start_unix_nanos());
        sink.lock().unwrap().push((span.to_vec(), text));
    });
    let mut limits = spanwise_sdk::SpanLimits::default();
    limits.attributes = 2;
    let bench = bench(|builder| builder.with_span_limits(limits).with_span_processor(processor));
    let scope = opentelemetry::InstrumentationScope::builder("shop").with_version("2").build();
    let tracer = opentelemetry::trace::TracerProvider::tracer_with_scope(&bench.spanwise, scope);
    let mut span = tracer.child("SELECT", SpanKind::Client, &remote());
    span.attribute("key", "first").attribute("key", "last").attribute("n", 1).attribute("over", 1);
    span.event("event", &[("k", 1.into())]).link(&remote(), &[]).error("broken");
    span.finish();
    let request = bench.finish();
    let exported = spanwise_testkit::spans(&request).next().unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].1, "shop 2");
    let read: opentelemetry_proto::tonic::trace::v1::Span =
        prost::Message::decode(&*seen[0].0).unwrap();
    assert_eq!(&read, exported);
}

#[test]
fn on_start_gets_the_context_of_the_caller() {
    let tenants = Arc::new(Mutex::new(Vec::new()));
    struct Tenants(Arc<Mutex<Vec<String>>>);
    impl SpanProcessor for Tenants {
        fn on_start(&self, _: &mut Span, parent: &Context) {
            let tenant = parent.baggage().get("tenant").map(|it| it.to_string());
            let context = parent.span().span_context().clone();
            let line = format!("{} {}", tenant.unwrap_or_default(), context.is_remote());
            self.0.lock().unwrap().push(line);
        }
    }
    let processor = Tenants(tenants.clone());
    let bench = bench(|builder| builder.with_span_processor(processor));
    let tracer = bench.spanwise.tracer("processors");
    let context = Context::new()
        .with_baggage([KeyValue::new("tenant", "books")])
        .with_remote_span_context(remote());
    drop(tracer.start_with_context("given", &context));
    drop(tracer.start_with_context("none", &Context::new()));
    let attached = context.attach();
    drop(tracer.start("current"));
    tracer.root("native root", SpanKind::Internal).finish();
    tracer.child("native child", SpanKind::Internal, &remote()).finish();
    drop(attached);
    let seen = tenants.lock().unwrap().clone();
    assert_eq!(seen, ["books true", " false", "books true", "books false", "books true"]);
    bench.finish();
}

#[test]
fn a_processor_that_panics_is_counted_and_costs_no_span() {
    struct Panics;
    impl SpanProcessor for Panics {
        fn on_start(&self, _: &mut Span, _: &Context) {
            panic_any(PanicOnDrop);
        }
        fn on_end(&self, _: &ReadableSpan<'_>) {
            panic_any(PanicOnDrop);
        }
        fn force_flush(&self, _: Duration) -> Result<(), spanwise_sdk::ProcessorError> {
            panic_any(PanicOnDrop);
        }
        fn shutdown(&self, _: Duration) -> Result<(), spanwise_sdk::ProcessorError> {
            panic_any(PanicOnDrop);
        }
        fn set_resource(&self, _: &spanwise_sdk::read::ResourceSpans<'_>) {
            panic_any(PanicOnDrop);
        }
    }
    impl Drop for Panics {
        fn drop(&mut self) {
            panic_any(PanicOnDrop);
        }
    }
    let log = Log::default();
    let bench = bench(|builder| {
        builder
            .with_span_processor(Panics)
            .with_span_processor(Panics)
            .with_span_processor(log.clone())
    });
    let tracer = bench.spanwise.tracer("processors");
    for _ in 0..10 {
        drop(tracer.start("api"));
        tracer.root("native", SpanKind::Internal).finish();
    }
    assert_eq!(log.take().len(), 40, "the processor behind it still runs");
    for flush in [Spanwise::force_flush_timeout, Spanwise::shutdown_timeout] {
        let error = flush(&bench.spanwise, LONG).unwrap_err().to_string();
        assert!(error.contains("span processor 1: panicked"), "{error}");
        assert!(error.contains("span processor 2: panicked"), "{error}");
        assert!(!error.contains("span processor 3"), "{error}");
    }
    let ledger = bench.spanwise.ledger();
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.exported), (20, 20));
    assert_eq!(ledger.counter(Counter::ProcessorPanicked), 2 * (1 + 40 + 2));
    assert_eq!(bench.collected.spans(), 20);
}

#[test]
fn a_span_that_is_recorded_only_reaches_processors_and_no_exporter() {
    let log = Log::default();
    let sampler = Sampler::from(AlwaysRecord::new(Sampler::always_off()));
    let bench = bench(|builder| builder.with_sampler(sampler).with_span_processor(log.clone()));
    let tracer = bench.spanwise.tracer("processors");
    let mut span = tracer.start("api");
    assert!(span.is_recording() && !span.span_context().is_sampled());
    span.set_status(opentelemetry::trace::Status::Ok);
    span.end();
    tracer.root("native", SpanKind::Internal).finish();
    let ends: Vec<_> = log.take().into_iter().filter(|line| line.starts_with("end")).collect();
    assert_eq!(ends, ["end api, sampled false", "end native, sampled false"]);
    assert_eq!(bench.finish(), Default::default(), "nothing is exported");
    let ledger = bench.spanwise.ledger();
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.sampled_out), (2, 2));
}

#[test]
fn a_recorded_span_without_processors_is_not_recorded() {
    let sampler = Sampler::from(AlwaysRecord::new(Sampler::always_off()));
    let bench = bench(|builder| builder.with_sampler(sampler));
    assert!(!bench.spanwise.tracer("processors").start("api").is_recording());
    assert_eq!(bench.finish(), Default::default());
}

#[test]
fn processors_see_spans_that_the_queue_drops() {
    let ends = Arc::new(Mutex::new(0_u64));
    let counted = ends.clone();
    let spanwise = builder()
        .with_sink(|_: Bytes| std::future::pending::<Outcome>())
        .with_budget_bytes(1 << 20)
        .with_export_timeout(Duration::from_secs(3600))
        .with_attempt_timeout(Duration::from_secs(3600))
        .with_span_processor(AtEnd(move |_: &ReadableSpan<'_>| *counted.lock().unwrap() += 1))
        .build()
        .unwrap();
    let tracer = spanwise.tracer("processors");
    let mut made = 0;
    while spanwise.ledger().dropped_total() < 1000 {
        let mut span = tracer.root("span", SpanKind::Internal);
        assert!(span.is_recording(), "the queue refuses no span at its start");
        span.attribute("text", "0123456789".repeat(10));
        span.finish();
        made += 1;
    }
    assert_eq!(*ends.lock().unwrap(), made);
    assert_eq!(spanwise.ledger().created, made);
    let _timed_out = spanwise.shutdown_timeout(Duration::from_millis(10));
}

#[test]
fn a_processor_may_start_spans() {
    #[derive(Default)]
    struct Reentrant {
        tracer: Mutex<Option<Tracer>>,
        calls: Mutex<u64>,
    }
    impl Reentrant {
        fn make(&self) {
            *self.calls.lock().unwrap() += 1;
            let tracer = self.tracer.lock().unwrap().clone();
            if let Some(tracer) = tracer {
                let mut inner = tracer.start("api inside");
                inner.set_status(opentelemetry::trace::Status::error("slow end"));
                inner.end();
                tracer.root("native inside", SpanKind::Internal).finish();
            }
        }
    }
    struct Shared(Arc<Reentrant>);
    impl SpanProcessor for Shared {
        fn on_start(&self, _: &mut Span, _: &Context) {
            self.0.make();
        }
        fn on_end(&self, _: &ReadableSpan<'_>) {
            self.0.make();
        }
    }
    let state = Arc::new(Reentrant::default());
    let processor = Shared(state.clone());
    let bench = bench(|builder| builder.with_span_processor(processor));
    let tracer = bench.spanwise.tracer("processors");
    *state.tracer.lock().unwrap() = Some(tracer.clone());
    for _ in 0..5 {
        drop(tracer.start("outside"));
    }
    *state.tracer.lock().unwrap() = None;
    assert_eq!(*state.calls.lock().unwrap(), 10, "spans inside of a call cause no call");
    let request = bench.finish();
    assert_eq!(spanwise_testkit::spans(&request).count(), 5 + 10 * 2);
}

#[test]
fn the_exporter_none_leaves_processors_at_work() {
    let log = Log::default();
    let spanwise = builder()
        .with_exporter(Exporter::None)
        .with_sampler(Sampler::always_on())
        .with_span_processor(log.clone())
        .build()
        .unwrap();
    for scope in ["a", "b"] {
        let tracer = spanwise.tracer(scope);
        let mut span = tracer.start("api");
        assert!(span.is_recording() && span.span_context().is_sampled());
        span.set_status(opentelemetry::trace::Status::Ok);
    }
    let ends = log.take().into_iter().filter(|line| line == "end api, sampled true").count();
    assert_eq!(ends, 2);
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_eq!(ledger.created, 0, "the ledger counts spans of the export");
    drop(spanwise.tracer("a").start("after the shutdown"));
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_suppressed_span_and_one_that_is_not_sampled_cause_no_call() {
    let log = Log::default();
    let bench = bench(|builder| {
        builder.with_sampler(Sampler::always_off()).with_span_processor(log.clone())
    });
    let tracer = bench.spanwise.tracer("processors");
    drop(tracer.start("not sampled"));
    bench.spanwise.set_sampler(Sampler::always_on());
    {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        drop(tracer.start("suppressed"));
        tracer.root("suppressed", SpanKind::Internal).finish();
    }
    assert_eq!(log.take(), [""; 0]);
    bench.finish();
}

#[test]
fn an_open_span_that_ends_after_the_shutdown_causes_no_call() {
    let log = Log::default();
    let bench = bench(|builder| builder.with_span_processor(log.clone()));
    let open = bench.spanwise.tracer("processors").start("open");
    bench.spanwise.shutdown_timeout(LONG).unwrap();
    log.take();
    drop(open);
    assert_eq!(log.take(), [""; 0]);
    assert_idle(&bench.spanwise.ledger());
}

#[test]
fn a_pooled_span_passes_through_the_end() {
    let log = Log::default();
    let bench = bench(|builder| builder.with_span_processor(log.clone()));
    let tracer = bench.spanwise.tracer("processors");
    let mut span = spanwise_pool::PooledSpan::default();
    assert!(tracer.start_pooled(&mut span, "pooled", SpanKind::Internal, None));
    let _recorded = tracer.finish_pooled(&span).unwrap();
    assert_eq!(log.take(), ["end pooled, sampled true"]);
    assert_eq!(spanwise_testkit::spans(&bench.finish()).count(), 1);
}

#[test]
fn a_sink_and_a_processor_run_beside_each_other() {
    let log = Log::default();
    let spanwise = builder()
        .with_sink(|_: Bytes| ready(Outcome::Accepted { rejected: 0, message: None }))
        .with_span_processor(log.clone())
        .build()
        .unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let tracer = spanwise.tracer("processors");
            std::thread::spawn(move || (0..500).for_each(|_| drop(tracer.start("span"))))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().ledger.exported, 2000);
    assert_eq!(log.take().len(), 4000);
}

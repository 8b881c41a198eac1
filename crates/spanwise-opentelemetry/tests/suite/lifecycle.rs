//! Flush, shutdown and resource of the processor, as the SDK's traits document them.

use crate::support;

use opentelemetry::trace::{Span as _, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample, Span, SpanData,
    SpanProcessor,
};
use spanwise_opentelemetry::{
    BatchSpanProcessor, Bytes, DropReason, LocalTrace, OnFull, Outcome, RandomIdGenerator,
};
use spanwise_receiver::{Answer, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{LONG, assert_idle, processor, provider, received, span};

#[test]
fn a_flush_returns_when_every_span_has_its_outcome() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let provider = provider(&processor);
    let tracer = provider.tracer("flush");
    for round in 1..=3 {
        (0..10).for_each(|_| drop(tracer.start("work")));
        provider.force_flush().unwrap();
        assert_eq!(collected.spans(), 10 * round);
    }
    provider.shutdown().unwrap();
    assert_idle(&processor.ledger());
}

#[test]
fn a_span_after_the_shutdown_is_counted_and_a_second_shutdown_is_an_error() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    processor.on_end(span(1));
    processor.shutdown().unwrap();
    processor.on_end(span(2));
    let ledger = processor.ledger();
    assert_idle(&ledger);
    assert_eq!((ledger.exported, ledger.dropped(DropReason::AfterShutdown)), (1, 1));
    assert_eq!(collected.spans(), 1);
    for result in [
        processor.shutdown(),
        processor.shutdown_with_timeout(LONG),
        processor.clone().shutdown(),
        processor.force_flush(),
    ] {
        assert!(matches!(result, Err(OTelSdkError::AlreadyShutdown)), "{result:?}");
    }
}

#[test]
fn a_shutdown_in_front_of_a_receiver_that_hangs_ends_at_its_timeout() {
    let receiver =
        Receiver::builder().with_handler(|_| Answer::Accept.after(LONG)).start().unwrap();
    for timeout in [Duration::ZERO, Duration::from_millis(100)] {
        let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
        processor.on_end(span(1));
        let started = Instant::now();
        let result = processor.shutdown_with_timeout(timeout);
        assert!(started.elapsed() < LONG / 2);
        match result {
            Err(OTelSdkError::Timeout(given)) => assert_eq!(given, timeout),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_flush_in_front_of_a_receiver_that_hangs_ends_at_the_configured_timeout() {
    let receiver =
        Receiver::builder().with_handler(|_| Answer::Accept.after(LONG)).start().unwrap();
    let processor = processor()
        .with_endpoint(receiver.http_endpoint())
        .with_shutdown_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    processor.on_end(span(1));
    let result = processor.force_flush();
    assert!(matches!(result, Err(OTelSdkError::Timeout(_))), "{result:?}");
    assert_eq!(processor.ledger().in_flight, 1);
}

/// Runs flush and shutdown in `run`, which gives them a runtime or none.
fn check_in(run: impl FnOnce(Box<dyn FnOnce() + Send>)) {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let provider = provider(&processor);
    run(Box::new(move || {
        drop(provider.tracer("context").start("one"));
        provider.force_flush().unwrap();
        drop(provider.tracer("context").start("two"));
        provider.shutdown().unwrap();
    }));
    assert_eq!(collected.spans(), 2);
    assert_idle(&processor.ledger());
}

#[test]
fn flush_and_shutdown_work_in_every_runtime_and_in_none() {
    let current = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let multi = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    };
    check_in(|work| work());
    check_in(|work| current().block_on(async { work() }));
    check_in(|work| multi().block_on(async { work() }));
    check_in(|work| {
        let runtime = multi();
        runtime.block_on(async { tokio::spawn(async { work() }).await.unwrap() });
    });
    check_in(|work| {
        let runtime = current();
        runtime.block_on(async { tokio::task::spawn_blocking(work).await.unwrap() });
    });
    check_in(|work| {
        let runtime = current();
        let _entered = runtime.enter();
        work();
    });
    check_in(|work| std::thread::spawn(work).join().unwrap());
}

#[test]
fn a_provider_that_is_dropped_exports_its_spans() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let provider = provider(&processor);
    drop(provider.tracer("drop").start("span"));
    drop(provider);
    assert_eq!(collected.spans(), 1);
    assert_idle(&processor.ledger());
}

/// The last clone starts the shutdown, and does not wait for it.
#[test]
fn a_processor_that_is_dropped_exports_its_spans() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    processor.on_end(span(1));
    drop(processor);
    assert!(collected.wait_for_spans(1, LONG));
}

#[test]
fn requests_have_the_resource_that_was_set_last() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let mut processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let named = |name| Resource::builder_empty().with_service_name(name).build();
    processor.set_resource(&named("first"));
    processor.set_resource(&named("second"));
    processor.on_end(span(1));
    processor.force_flush().unwrap();
    processor.set_resource(&named("third"));
    processor.on_end(span(2));
    processor.shutdown().unwrap();
    let names: Vec<_> = received(&collected)
        .resource_spans
        .iter()
        .map(|group| format!("{:?}", group.resource.as_ref().unwrap().attributes))
        .collect();
    assert!(names.len() == 2 && names[0].contains("second") && names[1].contains("third"));
}

#[test]
fn a_resource_that_is_too_large_loses_the_attributes_that_do_not_fit() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = lines.clone();
    let mut processor = BatchSpanProcessor::builder()
        .with_environment(|_| None)
        .with_diagnostics(move |diagnostic| log.lock().unwrap().push(diagnostic.to_string()))
        .with_endpoint(receiver.http_endpoint())
        .build()
        .unwrap();
    let resource = Resource::builder_empty()
        .with_attribute(KeyValue::new("a.huge", "x".repeat(100_000)))
        .with_attribute(KeyValue::new("host.name", "h"))
        .with_service_name("shop")
        .build();
    processor.set_resource(&resource);
    processor.on_end(span(1));
    processor.shutdown().unwrap();
    let request = received(&collected);
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    let mut keys: Vec<_> = resource.attributes.iter().map(|pair| &*pair.key).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["host.name", "service.name"]);
    let lines = lines.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("a.huge")), "{lines:?}");
}

/// Without a provider that sets a resource, requests have the default one.
#[test]
fn the_default_resource_names_a_service() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    processor.on_end(span(1));
    processor.shutdown().unwrap();
    let request = received(&collected);
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    assert!(resource.attributes.iter().any(|pair| pair.key == "service.name"));
}

/// A sampler of the user's that records without sampling.
#[derive(Debug, Clone)]
struct RecordOnly;

impl ShouldSample for RecordOnly {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: opentelemetry::trace::TraceId,
        name: &str,
        _: &opentelemetry::trace::SpanKind,
        _: &[KeyValue],
        _: &[opentelemetry::trace::Link],
    ) -> SamplingResult {
        let decision = match name {
            "record only" => SamplingDecision::RecordOnly,
            "drop" => SamplingDecision::Drop,
            _ => SamplingDecision::RecordAndSample,
        };
        SamplingResult { decision, attributes: Vec::new(), trace_state: Default::default() }
    }
}

#[test]
fn a_span_that_is_recorded_and_not_sampled_is_never_exported() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let provider = SdkTracerProvider::builder()
        .with_sampler(RecordOnly)
        .with_id_generator(RandomIdGenerator::default())
        .with_span_processor(processor.clone())
        .build();
    let tracer = provider.tracer("sampling");
    for name in ["record only", "sample", "drop", "record only"] {
        drop(tracer.start(name));
    }
    provider.shutdown().unwrap();
    let request = received(&collected);
    let names: Vec<_> = spanwise_testkit::spans(&request).map(|span| &*span.name).collect();
    assert_eq!(names, ["sample"]);
    let ledger = processor.ledger();
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.exported, ledger.sampled_out), (3, 1, 2));
}

/// A processor of the user's that ends spans, and passes its span on, inside of `on_end`.
#[derive(Debug)]
struct Nested {
    inner: BatchSpanProcessor,
    provider: Arc<Mutex<Option<SdkTracerProvider>>>,
}

impl SpanProcessor for Nested {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
        span.set_attribute(KeyValue::new("nested", true));
    }

    fn on_end(&self, span: SpanData) {
        let provider = self.provider.lock().unwrap().take();
        if let Some(provider) = provider {
            drop(provider.tracer("nested").start("inside of on_end"));
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[test]
fn a_span_that_ends_inside_of_another_end_is_exported() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let inner = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let slot = Arc::new(Mutex::new(None));
    let nested = Nested { inner: inner.clone(), provider: slot.clone() };
    let provider = SdkTracerProvider::builder().with_span_processor(nested).build();
    *slot.lock().unwrap() = Some(provider.clone());
    drop(provider.tracer("outer").start("outer"));
    provider.shutdown().unwrap();
    assert_eq!(collected.spans(), 2);
    assert_idle(&inner.ledger());
}

/// A sink sees the context of the processor's thread: a span that an instrumented client would make there is
/// suppressed, or each export would make spans to export.
#[test]
fn the_thread_of_the_processor_makes_no_spans() {
    let slot: Arc<Mutex<Option<SdkTracerProvider>>> = Arc::default();
    let (providers, made) = (slot.clone(), Arc::new(Mutex::new(Vec::new())));
    let seen = made.clone();
    let sink = move |_request: Bytes| {
        let provider = providers.lock().unwrap().clone().unwrap();
        let span = provider.tracer("client").start("POST /v1/traces");
        seen.lock().unwrap().push((
            Context::is_current_telemetry_suppressed(),
            span.is_recording(),
            Context::current().with_span(span).span().span_context().is_sampled(),
        ));
        std::future::ready(Outcome::Accepted { rejected: 0, message: None })
    };
    let processor = processor().with_sink(sink).build().unwrap();
    let provider = provider(&processor);
    *slot.lock().unwrap() = Some(provider.clone());
    drop(provider.tracer("app").start("work"));
    provider.force_flush().unwrap();
    assert_eq!(*made.lock().unwrap(), [(true, false, false)]);
    provider.shutdown().unwrap();
    assert_eq!(processor.ledger().created, 1);
}

/// A flush on the processor's own thread cannot wait; it is an error, and no deadlock.
#[test]
fn a_flush_inside_of_the_sink_is_an_error() {
    let slot: Arc<Mutex<Option<BatchSpanProcessor>>> = Arc::default();
    let (processors, results) = (slot.clone(), Arc::new(Mutex::new(Vec::new())));
    let seen = results.clone();
    let sink = move |_request: Bytes| {
        let processor = processors.lock().unwrap().take();
        seen.lock().unwrap().extend(processor.map(|processor| processor.force_flush()));
        std::future::ready(Outcome::Accepted { rejected: 0, message: None })
    };
    let processor = processor().with_sink(sink).build().unwrap();
    *slot.lock().unwrap() = Some(processor.clone());
    processor.on_end(span(1));
    processor.force_flush().unwrap();
    processor.shutdown().unwrap();
    let results = results.lock().unwrap();
    assert!(matches!(&results[..], [Err(OTelSdkError::InternalFailure(_))]), "{results:?}");
}

#[test]
fn a_full_queue_drops_spans_by_count_or_waits() {
    let slow = |_| Answer::Accept.after(Duration::from_millis(20));
    let receiver = Receiver::builder().with_handler(slow).start().unwrap();
    for (on_full, loses) in [(OnFull::Drop, true), (OnFull::Wait(LONG), false)] {
        let processor = processor()
            .with_endpoint(receiver.http_endpoint())
            .with_max_queue_size(16)
            .with_max_export_batch_size(16)
            .with_max_in_flight(1)
            .with_on_full(on_full)
            .build()
            .unwrap();
        (1..=1000).for_each(|id| processor.on_end(span(id)));
        processor.shutdown_with_timeout(LONG).unwrap();
        let ledger = processor.ledger();
        assert_idle(&ledger);
        let lost = ledger.dropped(DropReason::QueueFull);
        assert_eq!(ledger.exported + lost, 1000);
        assert_eq!(lost > 0, loses, "{on_full:?}: {lost}");
    }
}

#[test]
fn debug_prints_no_data_of_spans() {
    let processor = processor().with_endpoint("http://127.0.0.1:9").build().unwrap();
    let mut secret = span(1);
    secret.attributes.push(KeyValue::new("password", "hunter2"));
    processor.on_end(secret);
    let text = format!("{processor:?}");
    assert!(text.starts_with("BatchSpanProcessor") && !text.contains("hunter2"), "{text}");
    let _late = processor.shutdown_with_timeout(Duration::ZERO);
}

/// Records every span and samples one of two by its name.
#[derive(Debug, Clone)]
struct RecordsAll;

impl ShouldSample for RecordsAll {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: opentelemetry::trace::TraceId,
        name: &str,
        _: &opentelemetry::trace::SpanKind,
        _: &[KeyValue],
        _: &[opentelemetry::trace::Link],
    ) -> SamplingResult {
        let decision = match name {
            "sampled" => SamplingDecision::RecordAndSample,
            _ => SamplingDecision::RecordOnly,
        };
        SamplingResult {
            decision,
            attributes: Vec::new(),
            trace_state: opentelemetry::trace::TraceState::default(),
        }
    }
}

#[test]
fn tail_sampling_decides_also_about_spans_that_are_only_recorded() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor()
        .with_endpoint(receiver.http_endpoint())
        .with_tail_sampling(|trace: &LocalTrace<'_>| trace.has_sampled_flag() || trace.has_error())
        .build()
        .unwrap();
    let provider = SdkTracerProvider::builder()
        .with_sampler(RecordsAll)
        .with_span_processor(processor.clone())
        .build();
    let tracer = provider.tracer("tail");
    for name in ["sampled", "other", "error"] {
        let root = tracer.start(name);
        let cx = Context::new().with_span(root);
        let mut child = tracer.start_with_context("child", &cx);
        if name == "error" {
            child.set_status(opentelemetry::trace::Status::error("no stock"));
        }
        child.end();
        cx.span().end();
    }
    provider.shutdown().unwrap();
    let mut names: Vec<_> =
        spanwise_testkit::spans(&received(&collected)).map(|span| span.name.clone()).collect();
    names.sort();
    assert_eq!(names, ["child", "child", "error", "sampled"]);
    let ledger = processor.ledger();
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.tail_not_sampled, ledger.sampled_out), (6, 2, 0));
}

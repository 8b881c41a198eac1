//! Span processors of the stock SDK behind the native provider.

use opentelemetry::trace::{Span as _, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, InMemorySpanExporter, SimpleSpanProcessor, Span, SpanData, SpanProcessor,
};
use spanwise_opentelemetry::{SpanProcessorAdapter, SpanwiseBuilderExt as _};
use spanwise_sdk::sampling::{AlwaysRecord, Sampler};
use spanwise_sdk::{Counter, Exporter, FlushError, SpanKind, Spanwise, SpanwiseBuilder};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A timeout for events that take milliseconds on an idle machine.
const LONG: Duration = Duration::from_secs(20);

/// A provider of processors alone.
fn builder() -> SpanwiseBuilder {
    Spanwise::builder()
        .with_environment(|_| None)
        .with_diagnostics(|_| {})
        .with_exporter(Exporter::None)
}

#[derive(Debug, Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    fails: bool,
}

impl Log {
    fn push(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn result(&self) -> OTelSdkResult {
        match self.fails {
            true => Err(OTelSdkError::InternalFailure("broken".to_owned())),
            false => Ok(()),
        }
    }
}

impl SpanProcessor for Log {
    fn on_start(&self, _: &mut Span, _: &Context) {
        self.push("start".to_owned());
    }

    fn on_end(&self, span: SpanData) {
        assert!(!self.fails, "a panic");
        let scope = span.instrumentation_scope.name();
        self.push(format!("end {} {} {:?}", span.name, scope, span.status));
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.push("flush".to_owned());
        self.result()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.push(format!("shutdown {}", timeout.as_secs().div_ceil(60)));
        self.result()
    }

    fn set_resource(&mut self, resource: &Resource) {
        let name = resource.get(&"service.name".into()).unwrap();
        self.push(format!("resource {name}"));
        assert!(!self.fails, "a panic");
    }
}

#[test]
fn a_stock_processor_gets_all_calls_but_the_start() {
    let log = Log::default();
    let spanwise =
        builder().with_service_name("shop").with_sdk_span_processor(log.clone()).build().unwrap();
    let mut span = spanwise.tracer("scope").start("span");
    span.set_status(Status::error("late"));
    drop(span);
    spanwise.force_flush_timeout(LONG).unwrap();
    spanwise.shutdown_timeout(Duration::from_secs(9 * 60)).unwrap();
    let expected =
        ["resource shop", "end span scope Error { description: \"late\" }", "flush", "shutdown 9"];
    assert_eq!(*log.lines.lock().unwrap(), expected);
}

#[test]
fn a_stock_processor_that_fails_and_panics_costs_no_span() {
    let failing = Log { fails: true, ..Log::default() };
    let log = Log::default();
    let spanwise = builder()
        .with_sdk_span_processor(failing.clone())
        .with_sdk_span_processor(log.clone())
        .build()
        .unwrap();
    drop(spanwise.tracer("scope").start("span"));
    let error = spanwise.shutdown_timeout(LONG).unwrap_err();
    let FlushError::Processor { problem, .. } = &error else { panic!("{error}") };
    assert_eq!(problem, "span processor 1: Operation failed: broken");
    assert_eq!(spanwise.ledger().counter(Counter::ProcessorPanicked), 2);
    assert_eq!(log.lines.lock().unwrap().len(), 3);
}

#[test]
fn the_processors_of_the_stock_sdk_export_sampled_spans_alone() {
    let simple = InMemorySpanExporter::default();
    let batch = InMemorySpanExporter::default();
    let log = Log::default();
    let sampler = Sampler::from(AlwaysRecord::new(Sampler::always_off()));
    let spanwise = builder()
        .with_sampler(Sampler::always_on())
        .with_sdk_span_processor(SimpleSpanProcessor::new(simple.clone()))
        .with_sdk_span_processor(BatchSpanProcessor::builder(batch.clone()).build())
        .with_span_processor(SpanProcessorAdapter::new(log.clone()).with_unsampled_spans())
        .build()
        .unwrap();
    let tracer = spanwise.tracer("scope");
    let mut span = tracer.root("sampled", SpanKind::Server);
    span.attribute("key", "value");
    span.finish();
    spanwise.set_sampler(sampler);
    tracer.root("recorded", SpanKind::Server).finish();
    spanwise.force_flush_timeout(LONG).unwrap();
    for exporter in [simple, batch] {
        let spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 1);
        assert_eq!(spans[0].name, "sampled");
        assert_eq!(spans[0].attributes, [KeyValue::new("key", "value")]);
    }
    let ends = log.lines.lock().unwrap().iter().filter(|it| it.starts_with("end")).count();
    assert_eq!(ends, 2, "a processor that asks for it gets the recorded span too");
    spanwise.shutdown_timeout(LONG).unwrap();
}

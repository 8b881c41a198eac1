//! Exporters that are written for the stock SDK export the spans of the native provider. The oracle is
//! the stock SDK itself: the same calls on its provider, and its encoding of `SpanData`.

use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData, SpanExporter};
use proptest::prelude::*;
use spanwise_opentelemetry::{SpanExporterSink, SpanwiseBuilderExt as _};
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{DropReason, FlushError, SpanKind, Spanwise, SpanwiseBuilder};
use spanwise_testkit::generate::{Shape, span_specs};
use spanwise_testkit::{
    PanicOnDrop, SpanSpec, assert_same_spans, forget_generated_ids, replay_on, stock_request,
};
use std::any::type_name;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A timeout for events that take milliseconds on an idle machine.
const LONG: Duration = Duration::from_secs(20);

fn builder() -> SpanwiseBuilder {
    Spanwise::builder().with_environment(|_| None).with_diagnostics(|_| {})
}

fn make(spanwise: &Spanwise, spans: usize) {
    let tracer = spanwise.tracer("native exporter");
    (0..spans).for_each(|_| tracer.root("span", SpanKind::Internal).finish());
}

// --- the data ---

const RANDOM: u32 = 2;

fn normalize(request: &mut ExportTraceServiceRequest) {
    forget_generated_ids(request);
    for group in &mut request.resource_spans {
        group.resource = None;
        for span in group.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
            // Our trace ids have the random flag; the stock SDK does not set it.
            span.flags &= !RANDOM;
        }
    }
}

fn check(specs: &[SpanSpec]) {
    let exporter = InMemorySpanExporter::default();
    let spanwise = builder()
        .with_sampler(Sampler::always_on())
        .with_sdk_exporter(exporter.clone())
        .build()
        .unwrap();
    for spec in specs {
        replay_on(&spanwise, spec);
    }
    assert_eq!(spanwise.force_flush_timeout(LONG).unwrap().exported, specs.len() as u64);
    let resource = Resource::builder_empty().build();
    let of_none = ResourceAttributesWithSchema::from(&resource);
    let spans = exporter.get_finished_spans().unwrap();
    let mut ours = ExportTraceServiceRequest {
        resource_spans: group_spans_by_resource_and_scope(spans, &of_none),
    };
    let mut theirs = stock_request(&resource, specs);
    normalize(&mut ours);
    normalize(&mut theirs);
    assert_same_spans(&ours, &theirs);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn an_exporter_gets_the_span_data_of_the_stock_sdk(specs in span_specs(&Shape::default(), 1..12)) {
        check(&specs);
    }
}

/// Values that the native methods set and that the API does not have.
#[test]
fn a_value_outside_of_the_api_becomes_text() {
    use spanwise_sdk::{OwnedValue, Value};
    let exporter = InMemorySpanExporter::default();
    let spanwise = builder().with_sdk_exporter(exporter.clone()).build().unwrap();
    let mut span = spanwise.tracer("values").root("span", SpanKind::Producer);
    span.attribute("bytes", Value::Bytes(b"\x00\xff"));
    let inner = OwnedValue::Array(vec![OwnedValue::I64(1), OwnedValue::Str("two".into())]);
    span.attribute("nested", OwnedValue::Array(vec![inner, OwnedValue::Array(Vec::new())]));
    span.attribute("texts", vec!["a\"\n", "\u{1}"]);
    span.attribute("empty", Vec::<bool>::new());
    span.finish();
    spanwise.force_flush_timeout(LONG).unwrap();
    let spans = exporter.get_finished_spans().unwrap();
    let value = |key: &str| {
        let found = spans[0].attributes.iter().find(|it| it.key.as_str() == key);
        found.map(|it| it.value.clone()).unwrap()
    };
    assert_eq!(value("bytes"), "AP8=".into());
    assert_eq!(value("nested"), r#"[[1,"two"],[]]"#.into());
    let texts = opentelemetry::Array::String(vec!["a\"\n".into(), "\u{1}".into()]);
    assert_eq!(value("texts"), opentelemetry::Value::Array(texts));
    let empty = opentelemetry::Array::String(Vec::new());
    assert_eq!(value("empty"), opentelemetry::Value::Array(empty));
    assert_eq!(spans[0].span_kind, opentelemetry::trace::SpanKind::Producer);
}

// --- the calls ---

type Act = Arc<dyn Fn() -> OTelSdkResult + Send + Sync>;

/// An exporter that sends its calls, and that runs `act` in each export.
struct Calls {
    calls: Sender<String>,
    act: Act,
    inside: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calls")
    }
}

impl SpanExporter for Calls {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        assert_eq!(self.inside.fetch_add(1, SeqCst), 0, "one export at a time");
        let _ = self.calls.send(format!("export {}", batch.len()));
        let result = (self.act)();
        self.inside.fetch_sub(1, SeqCst);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let _ = self.calls.send(format!("shutdown {}", timeout.as_secs()));
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        let _ = self.calls.send("flush".to_owned());
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        let name = resource.get(&"service.name".into()).map(|name| name.to_string());
        let schema = resource.schema_url().unwrap_or_default().to_owned();
        let _ = self.calls.send(format!("resource {} {schema}", name.unwrap_or_default()));
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        let _ = self.calls.send("drop".to_owned());
    }
}

fn calls(act: impl Fn() -> OTelSdkResult + Send + Sync + 'static) -> (Calls, Receiver<String>) {
    let (calls, received) = channel();
    (Calls { calls, act: Arc::new(act), inside: Arc::default() }, received)
}

fn next(received: &Receiver<String>) -> String {
    received.recv_timeout(LONG).unwrap_or_else(|_| "nothing".to_owned())
}

#[test]
fn the_calls_of_an_exporter_are_those_of_the_traits_documentation() {
    let (exporter, received) = calls(|| Ok(()));
    let spanwise = builder()
        .with_service_name("shop")
        .with_schema_url("https://example.com/1")
        .with_sdk_exporter(exporter)
        .build()
        .unwrap();
    spanwise.force_flush_timeout(LONG).unwrap();
    make(&spanwise, 3);
    assert_eq!(spanwise.force_flush_timeout(LONG).unwrap().exported, 3);
    make(&spanwise, 2);
    assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().exported, 2);
    let seen: Vec<_> = (0..6).map(|_| next(&received)).collect();
    let expected = [
        "resource shop https://example.com/1",
        "export 3",
        "flush",
        "export 2",
        "shutdown 5",
        "drop",
    ];
    assert_eq!(seen, expected);
    drop(spanwise);
    assert!(received.recv().is_err(), "no second shutdown");
}

/// Most exporters implement one of the two methods of a shutdown.
#[test]
fn an_exporter_that_implements_shutdown_alone_is_shut_down_too() {
    #[derive(Debug)]
    struct Only(Sender<&'static str>);
    impl SpanExporter for Only {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Ok(())
        }
        fn shutdown(&self) -> OTelSdkResult {
            let _ = self.0.send("shutdown");
            Err(OTelSdkError::InternalFailure("file\nsystem".to_owned()))
        }
    }
    let (sender, received) = channel();
    let spanwise = builder().with_sdk_exporter(Only(sender)).build().unwrap();
    let error = spanwise.shutdown_timeout(LONG).unwrap_err();
    let FlushError::Processor { problem, .. } = &error else { panic!("{error}") };
    assert_eq!(*problem, format!("{}: Operation failed: file system", type_name::<Only>()));
    assert_eq!(received.iter().collect::<Vec<_>>(), ["shutdown"], "without any span too");
}

#[test]
fn the_drop_of_a_provider_shuts_its_exporter_down() {
    for spans in [0, 1] {
        let (exporter, received) = calls(|| Ok(()));
        let spanwise = builder().with_sdk_exporter(exporter).build().unwrap();
        make(&spanwise, spans);
        drop(spanwise);
        let seen: Vec<_> = received.iter().filter(|it| !it.starts_with("resource")).collect();
        let expected: &[&str] = match spans {
            0 => &["shutdown 5", "drop"],
            _ => &["export 1", "shutdown 5", "drop"],
        };
        assert_eq!(seen, expected);
    }
}

#[test]
fn exports_run_one_at_a_time_outside_of_a_runtime_with_telemetry_suppressed() {
    let (exporter, received) = calls(|| {
        assert!(tokio::runtime::Handle::try_current().is_err(), "outside of any runtime");
        assert!(Context::current().is_telemetry_suppressed());
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    });
    // More requests in flight than the exporter takes.
    let spanwise = builder()
        .with_sink(SpanExporterSink::new(exporter))
        .with_max_in_flight(8)
        .with_max_export_batch_size(10)
        .build()
        .unwrap();
    make(&spanwise, 500);
    let report = spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!((report.ledger.exported, report.ledger.dropped_total()), (500, 0));
    let exports = received.iter().filter(|call| call.starts_with("export")).count();
    assert_eq!(exports, 50);
}

#[test]
fn an_error_a_timeout_and_a_panic_have_their_reasons() {
    type Case = (fn() -> OTelSdkResult, DropReason, &'static str);
    let cases: [Case; 4] = [
        (
            || Err(OTelSdkError::InternalFailure("no\troute".to_owned())),
            DropReason::Transport,
            "no route",
        ),
        (|| Err(OTelSdkError::AlreadyShutdown), DropReason::Transport, "Shutdown already"),
        (
            || Err(OTelSdkError::Timeout(Duration::from_secs(3))),
            DropReason::AmbiguousTimeout,
            "timed out after 3s",
        ),
        (|| panic_any(PanicOnDrop), DropReason::ExporterPanic, "panicked"),
    ];
    for (act, reason, text) in cases {
        let (exporter, received) = calls(act);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = lines.clone();
        let spanwise = builder()
            .with_diagnostics(move |diagnostic| log.lock().unwrap().push(diagnostic.to_string()))
            .with_sdk_exporter(exporter)
            .build()
            .unwrap();
        make(&spanwise, 7);
        let report = spanwise.force_flush_timeout(LONG).unwrap();
        assert_eq!(report.ledger.dropped(reason), 7, "{reason}: {report}");
        assert!(report.last_failure.as_ref().unwrap().contains(text), "{report}");
        let _failed_again = spanwise.shutdown_timeout(LONG);
        spanwise.ledger().check().unwrap();
        let lines = lines.lock().unwrap();
        assert!(lines.iter().any(|line| line.contains(text)), "{lines:?}");
        assert!(received.iter().any(|call| call == "shutdown 5"), "shut down after a failure");
    }
}

#[test]
fn an_export_that_never_ends_is_dropped_at_the_timeout_and_the_next_one_runs() {
    struct OnDrop(Sender<()>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    #[derive(Debug)]
    struct Hangs(Mutex<Option<Sender<()>>>);
    impl SpanExporter for Hangs {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            let dropped = self.0.lock().unwrap().take().map(OnDrop);
            if dropped.is_some() {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    }
    let (sender, dropped) = channel();
    let exporter = Hangs(Mutex::new(Some(sender)));
    let spanwise = builder()
        .with_sdk_exporter(exporter)
        .with_attempt_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let patience = Instant::now() + LONG;
    let mut made = 0;
    // On a busy machine the time of a request may be up before its export begins.
    while dropped.recv_timeout(Duration::from_millis(10)).is_err() {
        assert!(Instant::now() < patience, "the future of the export is dropped");
        make(&spanwise, 1);
        made += 1;
        spanwise.force_flush_timeout(LONG).unwrap();
    }
    assert_eq!(spanwise.ledger().dropped(DropReason::AmbiguousTimeout), made);
    while spanwise.ledger().exported == 0 {
        assert!(Instant::now() < patience, "the next export runs");
        make(&spanwise, 1);
        spanwise.force_flush_timeout(LONG).unwrap();
    }
    spanwise.shutdown_timeout(LONG).unwrap();
    spanwise.ledger().check().unwrap();
}

#[test]
fn an_exporter_that_blocks_holds_up_no_caller_and_no_memory() {
    let door = Arc::new(Mutex::new(()));
    let closed = door.lock().unwrap();
    let shut = door.clone();
    let (exporter, received) = calls(move || {
        drop(shut.lock());
        Ok(())
    });
    let spanwise = builder()
        .with_sdk_exporter(exporter)
        .with_attempt_timeout(Duration::from_millis(20))
        .build()
        .unwrap();
    for _ in 0..5 {
        make(&spanwise, 10);
        // The export fails in time; the flush of the exporter does not return.
        let error = spanwise.force_flush_timeout(Duration::from_millis(500)).unwrap_err();
        let FlushError::Processor { problem, .. } = &error else { continue };
        assert!(problem.contains("did not return by the deadline"), "{problem}");
    }
    let patience = Instant::now() + LONG;
    while spanwise.ledger().in_flight > 0 {
        assert!(Instant::now() < patience, "{}", spanwise.ledger());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(spanwise.ledger().dropped(DropReason::AmbiguousTimeout), 50);
    let error = spanwise.shutdown_timeout(Duration::from_millis(100)).unwrap_err();
    assert!(matches!(error, FlushError::Processor { .. } | FlushError::Timeout(_)), "{error}");
    drop(closed);
    let seen: Vec<_> = received.iter().collect();
    assert!(seen.iter().filter(|it| it.starts_with("export")).count() <= 1, "{seen:?}");
    assert_eq!(seen.iter().filter(|it| it.starts_with("shutdown")).count(), 1, "{seen:?}");
}

/// A future that needs timers, sockets and tasks of a runtime.
#[test]
fn an_asynchronous_exporter_runs_with_the_given_runtime() {
    #[derive(Debug)]
    struct Async(Arc<AtomicUsize>);
    impl SpanExporter for Async {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            let spans = batch.len();
            tokio::time::sleep(Duration::from_millis(1)).await;
            let counted = tokio::spawn(async move {
                tokio::task::yield_now().await;
                spans
            });
            self.0.fetch_add(counted.await.unwrap(), SeqCst);
            Ok(())
        }
        fn shutdown(&self) -> OTelSdkResult {
            tokio::runtime::Handle::try_current().unwrap();
            Ok(())
        }
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let spans = Arc::new(AtomicUsize::new(0));
    let spanwise = builder()
        .with_sdk_exporter_on(Async(spans.clone()), runtime.handle().clone())
        .build()
        .unwrap();
    make(&spanwise, 5);
    assert_eq!(spanwise.force_flush_timeout(LONG).unwrap().exported, 5);
    make(&spanwise, 5);
    // Inside of a task of the same runtime, whose only thread the call blocks.
    let report = runtime.block_on(async { spanwise.shutdown_timeout(Duration::from_secs(20)) });
    assert_eq!(report.unwrap().exported, 5);
    assert_eq!(spans.load(SeqCst), 10);
}

#[test]
fn a_span_of_an_exporter_is_not_exported() {
    let held: Arc<Mutex<Option<Spanwise>>> = Arc::default();
    let inner = held.clone();
    let (exporter, _received) = calls(move || {
        if let Some(spanwise) = &*inner.lock().unwrap() {
            let mut span = spanwise.tracer("inside").start("export");
            assert!(!span.is_recording());
            span.set_attribute(KeyValue::new("key", 1));
        }
        Ok(())
    });
    let spanwise = builder().with_sdk_exporter(exporter).build().unwrap();
    *held.lock().unwrap() = Some(spanwise.clone());
    make(&spanwise, 1);
    assert_eq!(spanwise.force_flush_timeout(LONG).unwrap().ledger.created, 1);
    *held.lock().unwrap() = None;
    spanwise.shutdown_timeout(LONG).unwrap();
}

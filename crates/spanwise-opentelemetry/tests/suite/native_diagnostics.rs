//! A stock exporter behind the native provider: what diagnostics and errors report to its user.

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use spanwise_opentelemetry::SpanwiseBuilderExt as _;
use spanwise_sdk::{DropReason, FlushError, Protocol, SpanKind, Spanwise, SpanwiseBuilder};
use std::any::type_name;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A timeout for events that take milliseconds on an idle machine.
const LONG: Duration = Duration::from_secs(20);

fn make(spanwise: &Spanwise, spans: usize) {
    let tracer = spanwise.tracer("native diagnostics");
    (0..spans).for_each(|_| tracer.root("span", SpanKind::Internal).finish());
}

/// A builder that collects its diagnostics.
fn with_lines() -> (SpanwiseBuilder, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = lines.clone();
    let builder = Spanwise::builder()
        .with_environment(|name| {
            let of_network = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"];
            of_network.contains(&name).then(|| "http://of-the-deployment".to_owned())
        })
        .with_diagnostics(move |diagnostic| log.lock().unwrap().push(diagnostic.to_string()));
    (builder, lines)
}

/// The lines, once there are at least `count`: a slow machine calls the handler after `build` returned.
fn at_least(count: usize, lines: &Mutex<Vec<String>>) -> Vec<String> {
    let patience = Instant::now() + LONG;
    loop {
        let lines = lines.lock().unwrap().clone();
        if lines.len() >= count || Instant::now() > patience {
            return lines;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[derive(Debug)]
struct Failing;

impl SpanExporter for Failing {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Err(OTelSdkError::InternalFailure("disk full".to_owned()))
    }
}

#[test]
fn diagnostics_name_the_exporter() {
    let (builder, lines) = with_lines();
    let spanwise = builder.with_sdk_exporter(Failing).build().unwrap();
    make(&spanwise, 1);
    let report = spanwise.shutdown_timeout(LONG).unwrap();
    let failure = format!("{}: Operation failed: disk full", type_name::<Failing>());
    assert_eq!(report.last_failure.as_ref(), Some(&failure));
    let lines = at_least(1, &lines);
    assert!(lines[0].starts_with(&format!("cannot export to {failure}")), "{lines:?}");
    assert!(!lines.concat().contains("sink"), "{lines:?}");
}

/// The author of the code chose both the exporter and the settings of the network. A deployment sets the
/// variables for all its services.
#[test]
fn settings_of_the_network_beside_an_exporter_are_reported_if_code_sets_them() {
    let (builder, lines) = with_lines();
    let _spanwise = builder
        .with_endpoint("http://collector:4318")
        .with_protocol(Protocol::HttpProtobuf)
        .with_header("authorization", "hunter2")
        .with_sdk_exporter(Failing)
        .build()
        .unwrap();
    let expected = ["with_endpoint", "with_protocol", "with_header"].map(|setting| {
        format!("{setting} has no effect: requests go to {}", type_name::<Failing>())
    });
    assert_eq!(at_least(3, &lines), expected);
}

#[test]
fn an_exporter_that_finds_no_runtime_is_reported_with_the_remedy() {
    #[derive(Debug)]
    struct NeedsTokio;
    impl SpanExporter for NeedsTokio {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(())
        }
    }
    #[derive(Debug)]
    struct Panicking;
    impl SpanExporter for Panicking {
        #[allow(clippy::panic, reason = "the fault of this exporter")]
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            panic!("on purpose")
        }
    }
    let remedy = "the exporter needs a tokio runtime: set it by with_sdk_exporter_on";
    let builder = || with_lines().0;
    for (builder, cause, has_remedy) in [
        (builder().with_sdk_exporter(NeedsTokio), "no reactor running", true),
        (builder().with_sdk_exporter(Panicking), "on purpose", false),
    ] {
        let spanwise = builder.build().unwrap();
        make(&spanwise, 3);
        let report = spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(report.ledger.dropped(DropReason::ExporterPanic), 3);
        let failure = report.last_failure.unwrap();
        assert!(failure.contains(cause), "{failure}");
        assert_eq!(failure.ends_with(remedy), has_remedy, "{failure}");
    }
}

/// Calls the provider in its own `export` and `force_flush`.
struct Calling {
    provider: Arc<Mutex<Option<Spanwise>>>,
    results: Sender<(bool, Duration)>,
    command: fn(&Spanwise) -> Result<spanwise_sdk::Report, FlushError>,
}

impl std::fmt::Debug for Calling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calling")
    }
}

impl Calling {
    fn call(&self) {
        let Some(spanwise) = self.provider.lock().unwrap().clone() else { return };
        let started = Instant::now();
        let result = (self.command)(&spanwise);
        let is_refused = matches!(result, Err(FlushError::OnWorkerThread));
        let _unread = self.results.send((is_refused, started.elapsed()));
    }
}

impl SpanExporter for Calling {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        self.call();
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.call();
        Ok(())
    }
}

#[test]
fn a_flush_inside_of_an_export_returns_an_error_at_once() {
    let (results, received) = channel();
    let provider: Arc<Mutex<Option<Spanwise>>> = Arc::default();
    let command = |spanwise: &Spanwise| spanwise.force_flush_timeout(LONG);
    let exporter = Calling { provider: provider.clone(), results, command };
    let spanwise = with_lines().0.with_sdk_exporter(exporter).build().unwrap();
    *provider.lock().unwrap() = Some(spanwise.clone());
    make(&spanwise, 1);
    assert_eq!(spanwise.force_flush_timeout(LONG).unwrap().exported, 1);
    *provider.lock().unwrap() = None;
    for call in ["in the export", "in the exporter's flush"] {
        let (is_refused, elapsed) = received.recv_timeout(LONG).unwrap();
        assert!(is_refused && elapsed < LONG / 2, "{call}: {elapsed:?}");
    }
    spanwise.shutdown_timeout(LONG).unwrap();
}

#[test]
fn a_shutdown_inside_of_an_export_starts_and_returns_an_error_at_once() {
    let (results, received) = channel();
    let provider: Arc<Mutex<Option<Spanwise>>> = Arc::default();
    let command = |spanwise: &Spanwise| spanwise.shutdown_timeout(LONG);
    let exporter = Calling { provider: provider.clone(), results, command };
    let spanwise = with_lines().0.with_sdk_exporter(exporter).build().unwrap();
    *provider.lock().unwrap() = Some(spanwise.clone());
    make(&spanwise, 1);
    // A flush here ends with the export, or finds the provider shut down.
    let _either = spanwise.force_flush_timeout(LONG);
    let (is_refused, elapsed) = received.recv_timeout(LONG).unwrap();
    assert!(is_refused && elapsed < LONG / 2, "{elapsed:?}");
    *provider.lock().unwrap() = None;
    make(&spanwise, 1);
    let patience = Instant::now() + LONG;
    while spanwise.ledger().in_flight > 0 {
        assert!(Instant::now() < patience, "{}", spanwise.ledger());
        std::thread::yield_now();
    }
    assert_eq!(spanwise.ledger().exported, 1);
    assert!(matches!(spanwise.shutdown_timeout(LONG), Err(FlushError::AlreadyShutdown)));
}

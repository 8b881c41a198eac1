//! With the presets of `spanwise::redaction`, no canary comes out: over OTLP/HTTP, JSON and gRPC, in a file, on the live page, in
//! metrics, and to the functions of tail sampling and span processors.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use opentelemetry::trace::{Link, SpanContext, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::trace::{TraceFlags, TraceState, TracerProvider as _};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue, Value};
use spanwise::redaction::Redactor;
use spanwise::{
    FileSink, LocalTrace, Protocol, ReadableSpan, SpanMetrics, SpanProcessor, Spanwise,
    SpanwiseBuilder,
};
use spanwise_receiver::Receiver;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

/// A secret for each preset, and the part of it that must not come out.
const CANARIES: &[(&str, &str)] = &[
    ("https://canaryuser:pass@shop.example/x", "canaryuser"),
    ("see http://shop.example/x?id=7&session=canaryquery", "canaryquery"),
    ("Authorization: Bearer canarytoken0123456789", "canarytoken"),
    ("mail canary.person@example.com today", "canary.person"),
    ("card 4111 1111 1111 1111", "4111 1111"),
    ("from 203.0.113.77", "203.0.113.77"),
    ("from 2001:db8::ca:9a21", "ca:9a21"),
];
/// As [`CANARIES`], for keys that a preset knows.
const KEYED: &[(&str, &str, &str)] = &[
    ("db.query.text", "SELECT * FROM users WHERE name = 'canaryliteral'", "canaryliteral"),
    ("db.password", "canarypassword", "canarypassword"),
    ("http.request.header.cookie", "id=canarycookie", "canarycookie"),
];

/// The rules of all presets: compiled once, because that takes seconds without optimization.
static REDACTOR: LazyLock<Redactor> =
    LazyLock::new(|| Redactor::builder().with_all_presets().build().unwrap());

fn builder() -> SpanwiseBuilder {
    Spanwise::builder()
        .with_environment(|_| None)
        .with_diagnostics(|_| {})
        .with_resource(attributes("resource"))
        .with_redaction(REDACTOR.clone())
}

fn attributes(place: &str) -> Vec<KeyValue> {
    let texts = CANARIES.iter().map(|(text, _)| (*text).to_owned());
    let list: Vec<StringValue> = texts.clone().map(Into::into).collect();
    let each = texts.enumerate().map(|(n, text)| KeyValue::new(format!("{place}.{n}"), text));
    let keyed = KEYED.iter().map(|(key, text, _)| KeyValue::new(*key, *text));
    let list = KeyValue::new(format!("{place}.list"), Value::Array(Array::String(list)));
    each.chain(keyed).chain([list]).collect()
}

/// All texts in one.
fn text() -> String {
    CANARIES.iter().map(|(text, _)| *text).collect::<Vec<_>>().join("; ")
}

/// A span for each canary in its name, with all of them in every other place.
fn make(spanwise: &Spanwise) {
    let scope = InstrumentationScope::builder("shop").with_attributes(attributes("scope")).build();
    let tracer = spanwise.tracer_with_scope(scope);
    let flags = TraceFlags::SAMPLED;
    let other = SpanContext::new(7_u128.into(), 9_u64.into(), flags, true, TraceState::NONE);
    for (name, _) in CANARIES {
        let builder = tracer.span_builder(*name).with_attributes(attributes("start"));
        let link = Link::new(other.clone(), attributes("link"), 0);
        let span = tracer.build_with_context(builder.with_links(vec![link]), &Context::new());
        let cx = Context::new().with_span(span);
        cx.span().set_attributes(attributes("set"));
        cx.span().add_event(text(), attributes("event"));
        cx.span().record_error(&std::io::Error::other(text()));
        cx.span().set_status(Status::error(text()));
    }
}

#[track_caller]
fn assert_clean(way: &str, bytes: &[u8]) {
    assert!(!bytes.is_empty(), "{way}");
    let canaries = CANARIES.iter().map(|(_, canary)| *canary);
    for canary in canaries.chain(KEYED.iter().map(|(_, _, canary)| *canary)) {
        let is_in = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
        assert!(!is_in, "{way}: {canary} in {:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn no_canary_leaves_over_otlp() {
    for protocol in [
        Protocol::HttpProtobuf,
        Protocol::HttpJson,
        #[cfg(feature = "grpc")]
        Protocol::Grpc,
    ] {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let builder = builder().with_protocol(protocol).with_endpoint(receiver.http_endpoint());
        let spanwise = builder.build().unwrap();
        make(&spanwise);
        let report = spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(report.ledger.exported, CANARIES.len() as u64, "{protocol:?}");
        collected.bodies().iter().for_each(|body| assert_clean(protocol.name(), body));
    }
}

#[test]
fn no_canary_is_in_a_file() {
    let path = std::env::temp_dir().join(format!("spanwise-redaction-{}", std::process::id()));
    let sink = FileSink::builder().with_path(&path).build().unwrap();
    let spanwise = builder().with_sink(sink).build().unwrap();
    make(&spanwise);
    spanwise.shutdown_timeout(LONG).unwrap();
    let written = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_clean("file", &written);
}

/// The bytes that a span processor reads.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl SpanProcessor for Seen {
    fn on_end(&self, span: &ReadableSpan<'_>) {
        self.0.lock().unwrap().extend(span.to_vec());
    }
}

#[test]
fn tail_sampling_processors_metrics_and_views_see_no_canary() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (processor, tail) = (Seen::default(), Seen::default());
    let of_tail = tail.clone();
    let decide = move |trace: &LocalTrace<'_>| {
        for span in trace.spans() {
            of_tail.0.lock().unwrap().extend(span.view().unwrap().bytes());
        }
        true
    };
    let metrics = SpanMetrics::builder().with_dimension("set.3").build().unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_sampling_ratio(0.0)
        .with_span_processor(processor.clone())
        .with_tail_sampling(decide)
        .with_span_metrics(metrics)
        .with_scheduled_delay(Duration::from_secs(600))
        .build()
        .unwrap();
    make(&spanwise);
    let view = spanwise.live_view();
    // A view collects spans for some seconds: only the flush drains them.
    view.watch_spans();
    spanwise.force_flush_timeout(LONG).unwrap();
    let snapshot = view.snapshot().unwrap();
    assert_eq!(snapshot.recent_spans.len(), CANARIES.len());
    assert_clean("live view", format!("{snapshot:?}").as_bytes());
    assert_clean("metrics", format!("{:?}", spanwise.metrics()).as_bytes());
    #[cfg(feature = "admin")]
    page_has_no_canary(&spanwise);
    let report = spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!(report.ledger.exported, CANARIES.len() as u64);
    assert_clean("processor", &processor.0.lock().unwrap());
    assert_clean("tail sampling", &tail.0.lock().unwrap());
    collected.bodies().iter().for_each(|body| assert_clean("export", body));
}

#[cfg(feature = "admin")]
fn page_has_no_canary(spanwise: &Spanwise) {
    use std::io::{Read as _, Write as _};
    let admin = spanwise::admin::AdminEndpoint::builder().with_address("127.0.0.1:0");
    let admin = admin.build(spanwise).unwrap();
    for path in ["/debug/spanwise.json", "/metrics"] {
        let mut stream = std::net::TcpStream::connect(admin.local_addr()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"), "{path}");
        assert_clean(path, &answer);
        let text = String::from_utf8_lossy(&answer);
        match path {
            "/metrics" => assert!(text.contains("spanwise_redaction_values_total{rule=\"email\"}")),
            _ => assert!(text.contains(r#""redaction":{"failures":0,"rules":[{"name":"url_cred"#)),
        }
    }
}

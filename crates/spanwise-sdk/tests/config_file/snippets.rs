//! The parts of the schema that concern traces, one file for each, and their settings in force.
//!
//! The files in `snippets/` have the keys and the structure of the snippets and of the full example of OpenTelemetry's
//! configuration repository, with values of their own.

use crate::support::{DiagnosticLog, LONG};
use crate::with_variables;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceId, Tracer as _,
};
use opentelemetry::{Context, KeyValue, TraceFlags};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::{Outcome, Spanwise, SpanwiseBuilder};
use spanwise_testkit::pki::{Authority, Template};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// A builder with one of the files, and the log of its reports.
fn with_snippet(name: &str, variables: &[(&str, &str)]) -> (SpanwiseBuilder, DiagnosticLog) {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config_file/snippets");
    let log = DiagnosticLog::default();
    let builder = log.attach(with_variables(variables));
    (builder.with_config_file(format!("{directory}/{name}.yaml")), log)
}

/// A provider whose requests go to a sink: code precedes the exporter of the file.
fn with_sink(name: &str) -> (Spanwise, DiagnosticLog) {
    let (builder, log) = with_snippet(name, &[]);
    let accept = |_| async { Outcome::Accepted { rejected: 0, message: None } };
    (builder.with_sink(accept).build().unwrap(), log)
}

/// A directory that is removed at the end of its test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spanwise-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sampler_of(name: &str) -> String {
    let (spanwise, log) = with_sink(name);
    assert_eq!(log.lines(), Vec::<String>::new());
    let shown = format!("{spanwise:?}");
    let (_, sampler) = shown.split_once("sampler: ").unwrap();
    sampler.split_once(", limits: ").unwrap().0.to_owned()
}

#[test]
fn console() {
    let (builder, log) = with_snippet("console", &[]);
    let spanwise = builder.build().unwrap();
    let config = spanwise.batching().load();
    assert_eq!((config.max_export_batch_size, config.max_queue_size), (512, Some(2048)));
    assert_eq!(config.scheduled_delay.as_millis(), 1);
    assert_eq!(log.lines(), Vec::<String>::new());
}

#[test]
fn otlp_file() {
    let directory = Directory::new("otlp-file");
    let (builder, log) = with_snippet("otlp_file", &[("DIRECTORY", directory.path())]);
    let spanwise = builder.build().unwrap();
    assert_eq!(spanwise.batching().load().scheduled_delay.as_millis(), 100);
    drop(spanwise.tracer("shop").start("written"));
    assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().exported, 1);
    let lines = std::fs::read_to_string(directory.0.join("spans.jsonl")).unwrap();
    assert_eq!(lines.matches("\"written\"").count(), 1, "{lines}");
    assert_eq!(log.lines(), Vec::<String>::new());
}

#[test]
fn otlp_file_on_the_standard_output() {
    let (builder, log) = with_snippet("otlp_file_stdout", &[]);
    let config = builder.build().unwrap().batching().load();
    assert_eq!((config.scheduled_delay.as_secs(), config.max_export_batch_size), (5, 512));
    assert_eq!(log.lines(), Vec::<String>::new());
}

#[test]
fn tracer_configurator() {
    let (spanwise, log) = with_sink("tracer_configurator");
    let names = ["org.shop.orders", "org.shop", "com.other"];
    names.iter().for_each(|name| drop(spanwise.tracer(*name).start(*name)));
    assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().ledger.created, 1);
    assert_eq!(log.lines(), Vec::<String>::new());
}

/// The specification requires an error for a component that is not registered.
#[test]
fn id_generator() {
    let (builder, _) = with_snippet("id_generator", &[]);
    let error = builder.build().unwrap_err().to_string();
    let expected =
        ":9:5: tracer_provider.id_generator.time_ordered: unknown key; accepted is `random`";
    assert!(error.ends_with(expected), "{error}");
}

/// Headers and encodings of requests over mutual TLS.
fn exported_with(snippet: &str) -> BTreeMap<String, String> {
    let [servers, clients] = ["servers", "clients"].map(|name| Authority::new(name).unwrap());
    let server = servers.issue(&Template::default()).unwrap();
    let client = clients.issue(&Template::client("shop.test")).unwrap();
    let directory = Directory::new(snippet);
    let files = [
        ("ca.pem", &servers.certificate),
        ("client.pem", &client.certificate),
        ("client.key", &client.key),
    ];
    for (name, text) in files {
        std::fs::write(directory.0.join(name), text).unwrap();
    }
    let headers = Arc::new(Mutex::new(BTreeMap::new()));
    let seen = headers.clone();
    let receiver = Receiver::builder()
        .with_tls_pem(&*server.certificate, &*server.key)
        .with_client_ca_pem(&*clients.certificate)
        .with_handler(move |export| {
            let mut seen = seen.lock().unwrap();
            let text = |(name, value): (&str, &[u8])| {
                (name.to_owned(), String::from_utf8_lossy(value).into_owned())
            };
            seen.extend(export.headers.iter().map(text));
            Answer::Accept
        })
        .start()
        .unwrap();
    let endpoint = receiver.http_endpoint().replace("127.0.0.1", "localhost");
    let variables = [("COLLECTOR", &*endpoint), ("DIRECTORY", directory.path())];
    let (builder, log) = with_snippet(snippet, &variables);
    let spanwise = builder.build().unwrap();
    let attribute = KeyValue::new("long", "long ".repeat(1_000));
    let tracer = spanwise.tracer("shop");
    drop(tracer.span_builder("span").with_attributes([attribute]).start(&tracer));
    assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().exported, 1);
    assert_eq!(log.lines(), Vec::<String>::new());
    headers.lock().unwrap().clone()
}

#[test]
fn otlp_http() {
    let headers = exported_with("otlp_http");
    assert_eq!(headers["tenant"], "42", "`headers` precedes `headers_list`");
    assert_eq!(headers["region"], "north west");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["content-encoding"], "gzip");
}

#[cfg(feature = "grpc")]
#[test]
fn otlp_grpc() {
    let headers = exported_with("otlp_grpc");
    assert_eq!(headers["tenant"], "42", "`headers` precedes `headers_list`");
    assert_eq!(headers["region"], "north west");
    assert_eq!(headers["content-type"], "application/grpc");
    assert_eq!(headers["grpc-encoding"], "gzip");
}

#[cfg(not(feature = "grpc"))]
#[test]
fn otlp_grpc() {
    let directory = Directory::new("otlp-grpc");
    let variables = [("COLLECTOR", "https://localhost:4317"), ("DIRECTORY", directory.path())];
    let (builder, _) = with_snippet("otlp_grpc", &variables);
    let error = builder.build().unwrap_err().to_string();
    assert!(error.contains("otlp_grpc: ") && error.contains("grpc"), "{error}");
}

#[test]
fn propagator() {
    let (builder, log) = with_snippet("propagator", &[]);
    let _tracing = builder.init().unwrap();
    let mut fields = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.fields().map(str::to_owned).collect::<Vec<_>>()
    });
    fields.sort();
    assert_eq!(fields, ["baggage", "traceparent", "tracestate"]);
    let lines = log.lines();
    for name in ["b3", "b3multi", "jaeger", "ottrace", "xray"] {
        let expected = format!("the propagator {name} is not supported");
        assert!(lines.iter().any(|line| line.contains(&expected)), "{lines:?}");
    }
    assert_eq!(lines.len(), 6, "and one about the provider that is missing: {lines:?}");
}

#[test]
fn resource() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let endpoint = receiver.http_endpoint();
    let (builder, log) = with_snippet("resource", &[("COLLECTOR", &endpoint)]);
    let spanwise = builder.build().unwrap();
    drop(spanwise.tracer("shop").start("span"));
    let resource = crate::finish(&spanwise, &collected);
    let text = |text: &str| Value::StringValue(text.to_owned());
    assert_eq!(resource["service.name"], text("shop"));
    assert_eq!(resource["deployment.environment.name"], text("prod,eu"));
    assert_eq!(resource["text"], text("12"));
    assert_eq!(resource["flag"], Value::BoolValue(false));
    assert_eq!(resource["count"], Value::IntValue(12));
    assert_eq!(resource["ratio"], Value::DoubleValue(0.25));
    let array = |key: &str| match &resource[key] {
        Value::ArrayValue(array) => {
            array.values.iter().filter_map(|value| value.value.clone()).collect::<Vec<_>>()
        }
        other => panic!("{key}: {other:?}"),
    };
    assert_eq!(array("texts"), ["a", "b"].map(text));
    assert_eq!(array("flags"), [false, true].map(Value::BoolValue));
    assert_eq!(array("counts"), [3, 4].map(Value::IntValue));
    assert_eq!(array("ratios"), [0.5, 1.5].map(Value::DoubleValue));
    let has = |key: &str| resource.contains_key(key);
    assert!(has("process.pid") && has("service.instance.id"), "{resource:?}");
    assert!(!has("process.executable.path") && !has("os.type"), "{resource:?}");
    let request = spanwise_testkit::decode(&collected.bodies()[0]);
    let schema_url = &request.resource_spans[0].schema_url;
    assert_eq!(schema_url, "https://opentelemetry.io/schemas/1.37.0");
    assert_eq!(log.lines(), Vec::<String>::new());
}

#[test]
fn samplers() {
    for (name, expected) in [
        (
            "sampler_always_record",
            "DynamicSampler(AlwaysRecord{ParentBased{root=ProbabilitySampler{0.1}}})",
        ),
        (
            "sampler_parent_based_typical",
            "DynamicSampler(ParentBased{root=ProbabilitySampler{0.02},\
             remoteParentSampled=AlwaysOnSampler,remoteParentNotSampled=AlwaysOffSampler,\
             localParentSampled=AlwaysOnSampler,localParentNotSampled=AlwaysOffSampler})",
        ),
        ("sampler_probability", "DynamicSampler(ProbabilitySampler{0.0625})"),
    ] {
        assert_eq!(sampler_of(name), expected, "{name}");
    }
}

#[test]
fn sampler_parent_based() {
    let (spanwise, _) = with_sink("sampler_parent_based");
    let tracer = spanwise.tracer("shop");
    let sampled = |parent: &SpanContext| {
        let cx = Context::new().with_remote_span_context(parent.clone());
        let span = tracer.span_builder("span").start_with_context(&tracer, &cx);
        span.span_context().is_sampled()
    };
    let of = |trace_id: u128, flags, is_remote| {
        let (trace_id, span_id) = (TraceId::from(trace_id), SpanId::from(1));
        sampled(&SpanContext::new(trace_id, span_id, flags, is_remote, Default::default()))
    };
    let (on, off) = (TraceFlags::SAMPLED, TraceFlags::default());
    // The queue of the file holds 2,048 spans: a full one would refuse some.
    let flush = |number: u128| {
        if number.is_multiple_of(500) {
            spanwise.force_flush().unwrap();
        }
        number
    };
    let of_2000 =
        |flags, is_remote| (1..=2_000).map(flush).filter(|id| of(*id, flags, is_remote)).count();
    assert_eq!(of_2000(on, true), 0, "remote_parent_sampled");
    let halves = of_2000(off, true);
    assert!((850..1_150).contains(&halves), "remote_parent_not_sampled: {halves}");
    assert_eq!(of_2000(on, false), 2_000, "local_parent_sampled");
    assert_eq!(of_2000(off, false), 0, "local_parent_not_sampled");
    let roots = (0..2_000).map(flush).filter(|_| sampled(&SpanContext::NONE)).count();
    assert!((150..350).contains(&roots), "root: {roots} of 2000 with a ratio of 0.125");
}

/// Whether a span with this kind, attribute and parent is sampled.
fn is_sampled(spanwise: &Spanwise, kind: SpanKind, attribute: KeyValue, parent: &Context) -> bool {
    let tracer = spanwise.tracer("shop");
    let builder = tracer.span_builder("span").with_kind(kind).with_attributes([attribute]);
    let span = builder.start_with_context(&tracer, parent);
    span.span_context().is_sampled()
}

fn below_a_span() -> Context {
    let (trace_id, span_id) = (TraceId::from(1 << 100), SpanId::from(1));
    let (flags, trace_state) = (TraceFlags::SAMPLED, Default::default());
    let context = SpanContext::new(trace_id, span_id, flags, true, trace_state);
    Context::new().with_remote_span_context(context)
}

#[test]
fn sampler_rule_based() {
    let (spanwise, log) = with_sink("sampler_rule_based");
    let path = |kind: SpanKind, path: &'static str, parent: &Context| {
        is_sampled(&spanwise, kind, KeyValue::new("url.path", path), parent)
    };
    let root = Context::new();
    assert!(!path(SpanKind::Client, "/ready", &root) && !path(SpanKind::Client, "/alive", &root));
    assert!(path(SpanKind::Server, "/admin/users", &below_a_span()));
    assert!(!path(SpanKind::Server, "/admin/assets/x", &root));
    assert!(path(SpanKind::Client, "/orders", &root));
    assert!(!path(SpanKind::Client, "/orders", &below_a_span()));
    assert!(!path(SpanKind::Server, "/orders", &root));
    assert_eq!(log.lines(), Vec::<String>::new());
}

#[test]
fn sampler_rule_based_without_pings() {
    let (spanwise, log) = with_sink("sampler_rule_based_without_pings");
    let command = |kind: SpanKind, name: &'static str| {
        let attribute = KeyValue::new("db.operation.name", name);
        is_sampled(&spanwise, kind, attribute, &below_a_span())
    };
    assert!(!command(SpanKind::Client, "PING"));
    assert!(command(SpanKind::Client, "GET") && command(SpanKind::Server, "PING"));
    assert!(is_sampled(&spanwise, SpanKind::Client, KeyValue::new("a", 1), &Context::new()));
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("the format is newer than 1.1"), "{lines:?}");
}

#[test]
fn span_limits() {
    let (spanwise, log) = with_sink("span_limits");
    let shown = format!("{spanwise:?}");
    for limit in [
        "attributes: 20",
        "events: 40",
        "links: 60",
        "attributes_per_event: 30",
        "attributes_per_link: 50",
        "value_chars: 2000",
    ] {
        assert!(shown.contains(limit), "{limit}: {shown}");
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.contains("attribute_value_depth_limit: it has no effect"))
    );
}

#[test]
fn full() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let endpoint = receiver.http_endpoint();
    let (builder, log) = with_snippet("full", &[("COLLECTOR", &endpoint)]);
    let spanwise = builder.build().unwrap();
    let config = spanwise.batching().load();
    assert_eq!((config.max_export_batch_size, config.max_queue_size), (1024, Some(4096)));
    assert_eq!(config.scheduled_delay.as_millis(), 2_000);
    let shown = format!("{spanwise:?}");
    for expected in [
        "attributes: 96",
        "events: 32",
        "links: 16",
        "attributes_per_event: 8",
        "attributes_per_link: 4",
        "value_chars: 65536",
        "ParentBased{root=AlwaysOnSampler,remoteParentSampled=AlwaysOnSampler,",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    drop(spanwise.tracer("shop").start("span"));
    let resource = crate::finish(&spanwise, &collected);
    assert_eq!(resource["service.name"], Value::StringValue("shop".to_owned()));
    let lines = log.lines();
    for expected in ["meter_provider: ", "logger_provider: "] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected}: {lines:?}");
    }
}

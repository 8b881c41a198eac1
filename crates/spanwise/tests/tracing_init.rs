//! `spanwise::tracing::init` in processes of their own: each sets the globals of a process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use spanwise::opentelemetry::global;
use spanwise::opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use spanwise::tracing::{InitError, OpenTelemetrySpanExt as _, builder, init};
use spanwise::wire::read::TraceRequest;
use spanwise::{Bytes, Outcome, Spanwise, SpanwiseBuilder};
use std::env;
use std::future::ready;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tracing_subscriber::prelude::*;

#[test]
fn without_variables_logs_and_spans_have_the_level_info() {
    let output = run("init", &[]);
    assert!(output.has("at info") && output.has("at warn"), "{output:?}");
    assert!(!output.has("at debug"), "{output:?}");
    assert!(output.has("the span is valid"), "{output:?}");
}

#[test]
fn rust_log_filters_and_an_invalid_directive_is_reported() {
    let output = run("init", &[("RUST_LOG", "warn,shop=loud")]);
    assert!(output.has("at warn") && !output.has("at info"), "{output:?}");
    let reported = output.stderr.lines().filter(|line| line.contains("shop=loud"));
    let reported: Vec<_> = reported.collect();
    assert_eq!(reported.len(), 1, "{output:?}");
    assert!(reported[0].contains("RUST_LOG"), "{output:?}");
    // The span has the level INFO.
    assert!(!output.has("the span is valid"), "{output:?}");
}

#[test]
fn directives_with_fields_filter_too() {
    let output = run("init", &[("RUST_LOG", "error,[order{id=7}]=info")]);
    assert!(output.has("in the order") && !output.has("at warn"), "{output:?}");
}

#[test]
fn records_of_the_crate_log_are_logged() {
    let output = run("init", &[]);
    assert!(output.has("by log"), "{output:?}");
}

#[test]
fn a_second_call_is_an_error_and_changes_nothing() {
    let output = run("second", &[]);
    assert!(output.has("a global `tracing` subscriber is set"), "{output:?}");
    // A span of `tracing` and one of the API by the global provider.
    assert!(output.has("first 2, second 0"), "{output:?}");
}

#[test]
fn a_subscriber_of_the_program_is_an_error_and_changes_nothing() {
    let output = run("foreign", &[]);
    assert!(output.has("a global `tracing` subscriber is set"), "{output:?}");
    assert!(output.has("no global provider"), "{output:?}");
}

#[test]
fn an_invalid_directive_in_code_is_an_error() {
    let output = run("code", &[]);
    assert!(output.has("with_filter=`shop=loud`"), "{output:?}");
    assert!(output.has("the next call succeeds"), "{output:?}");
}

#[test]
fn lines_have_the_ids_of_the_exported_span() {
    let output = run("trace_ids", &[]);
    let ids = output.stdout.lines().find_map(|line| line.strip_prefix("ids: ")).unwrap();
    let paid = output.stdout.lines().find(|line| line.contains("paid")).unwrap();
    assert!(paid.ends_with(ids), "{output:?}");
    let outside = output.stdout.lines().find(|line| line.contains("outside")).unwrap();
    assert!(!outside.contains("trace_id"), "{output:?}");
    assert!(output.has("exported 1"), "{output:?}");
}

#[test]
fn spans_can_have_a_filter_of_their_own() {
    let output = run("span_filter", &[("RUST_LOG", "error")]);
    assert!(!output.has("paid") && output.has("failed"), "{output:?}");
    assert!(output.has("exported 1"), "{output:?}");
}

#[test]
fn without_logs_spans_are_exported_alone() {
    let output = run("without_logs", &[]);
    assert!(!output.has("paid") && output.has("exported 1"), "{output:?}");
}

#[test]
fn a_layer_of_the_program_logs() {
    let output = run("own_logs", &[]);
    assert!(output.has("own layer: order") && output.has("exported 1"), "{output:?}");
}

#[test]
fn a_logger_of_the_program_stays() {
    let output = run("logger", &[("OTEL_LOG_LEVEL", "debug")]);
    assert!(output.has("own logger: by log"), "{output:?}");
    assert!(output.stderr.contains("crate `log`"), "{output:?}");
}

/// The process of a case, for the tests above.
#[test]
fn the_process_of_a_case() {
    match env::var("SPANWISE_TEST_CASE").unwrap_or_default().as_str() {
        "" => {}
        "init" => init_from_the_environment(),
        "second" => second(),
        "foreign" => foreign(),
        "code" => code(),
        "trace_ids" => trace_ids(),
        "span_filter" => count(|builder| builder.with_span_filter("info")),
        "without_logs" => count(|builder| builder.without_logs()),
        "own_logs" => count(|builder| builder.with_logs(OwnLogs)),
        "logger" => logger(),
        other => unreachable!("{other}"),
    }
}

fn init_from_the_environment() {
    let tracing = init().unwrap();
    tracing::debug!("at debug");
    tracing::info!("at info");
    tracing::warn!("at warn");
    tracing_log::log::warn!("by log");
    let span = tracing::info_span!("order", id = 7);
    span.in_scope(|| tracing::info!("in the order"));
    if span.context().span().span_context().is_valid() {
        println!("the span is valid");
    }
    tracing.shutdown().unwrap();
}

fn second() {
    let (first, second) = (Received::default(), Received::default());
    let tracing = builder().with_provider(first.provider()).init().unwrap();
    let error = builder().with_provider(second.provider()).init().unwrap_err();
    println!("{error}");
    assert!(matches!(error, InitError::SubscriberIsSet));
    tracing::info_span!("order").in_scope(|| {});
    global::tracer("api").in_span("by the API", |_| {});
    drop(tracing);
    println!("first {}, second {}", first.spans(), second.spans());
}

fn foreign() {
    tracing_subscriber::registry().init();
    println!("{}", builder().with_provider(Received::default().provider()).init().unwrap_err());
    global::tracer("api").in_span("by the API", |cx| {
        if !cx.span().span_context().is_valid() {
            println!("no global provider");
        }
    });
}

fn code() {
    println!("{}", builder().with_filter("info,shop=loud").init().unwrap_err());
    init().unwrap().shutdown().unwrap();
    println!("the next call succeeds");
}

fn trace_ids() {
    let received = Received::default();
    let builder = builder().with_provider(received.provider()).with_trace_ids(true);
    let tracing = builder.init().unwrap();
    tracing::info!("outside");
    let span = tracing::info_span!("order");
    let context = span.context();
    let ids = context.span().span_context().clone();
    println!("ids: trace_id={} span_id={} trace_flags=03", ids.trace_id(), ids.span_id());
    span.in_scope(|| tracing::info!("paid"));
    drop((span, context));
    drop(tracing);
    println!("exported {}", received.spans());
}

fn count(
    change: impl FnOnce(spanwise::tracing::TracingBuilder) -> spanwise::tracing::TracingBuilder,
) {
    let received = Received::default();
    let tracing = change(builder().with_provider(received.provider())).init().unwrap();
    tracing::info_span!("order").in_scope(|| {
        tracing::info!("paid");
        tracing::error!("failed");
    });
    drop(tracing);
    println!("exported {}", received.spans());
}

fn logger() {
    struct OwnLogger;
    impl tracing_log::log::Log for OwnLogger {
        fn enabled(&self, _: &tracing_log::log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &tracing_log::log::Record<'_>) {
            println!("own logger: {}", record.args());
        }
        fn flush(&self) {}
    }
    tracing_log::log::set_boxed_logger(Box::new(OwnLogger)).unwrap();
    tracing_log::log::set_max_level(tracing_log::log::LevelFilter::Info);
    let tracing = init().unwrap();
    tracing_log::log::info!("by log");
    tracing.shutdown().unwrap();
}

struct OwnLogs;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for OwnLogs {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        println!("own layer: {}", attributes.metadata().name());
    }
}

/// Counts the spans that arrive.
#[derive(Default, Clone)]
struct Received(Arc<AtomicU64>);

impl Received {
    fn provider(&self) -> SpanwiseBuilder {
        let spans = self.0.clone();
        Spanwise::builder().with_environment(|_| None).with_sink(move |request: Bytes| {
            spans.fetch_add(TraceRequest::new(&request).count_spans().unwrap(), Relaxed);
            ready(Outcome::Accepted { rejected: 0, message: None })
        })
    }

    fn spans(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[derive(Debug)]
struct Output {
    stdout: String,
    stderr: String,
}

impl Output {
    fn has(&self, text: &str) -> bool {
        self.stdout.contains(text)
    }
}

/// Runs a case with these variables and none of the test's own.
fn run(case: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "the_process_of_a_case", "--nocapture"]);
    env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")).for_each(
        |(name, _)| {
            command.env_remove(name);
        },
    );
    command.env_remove("RUST_LOG").env("NO_COLOR", "1").env("OTEL_TRACES_EXPORTER", "none");
    command.envs(variables.iter().copied()).env("SPANWISE_TEST_CASE", case);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let succeeded = output.status.success();
    let output = Output { stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(succeeded, "{case}: {output:?}");
    output
}

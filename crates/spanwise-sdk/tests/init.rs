//! `init` sets the globals of the process, `build` sets none. Each case runs in a process of its own,
//! this binary started again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::propagation::BaggagePropagator as StockBaggage;
use spanwise_sdk::propagation::Propagator;
use spanwise_sdk::{Bytes, Outcome, Spanwise, SpanwiseBuilder};
use spanwise_testkit::rerun;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

const CASE: &str = "SPANWISE_TEST_CASE";
const DONE: &str = "the case is done";

/// Runs `case` in a process of its own.
fn run(case: &str) {
    let output = rerun("child").env(CASE, case).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.contains(DONE), "{case}:\n{printed}\n{errors}");
}

/// The process of a case; without its variable an empty test.
#[test]
fn child() {
    let Ok(case) = std::env::var(CASE) else { return };
    match case.as_str() {
        "default" => fields_after(None, None, &["baggage", "traceparent", "tracestate"]),
        "one" => {
            fields_after(Some("TraceContext, tracecontext"), None, &["traceparent", "tracestate"])
        }
        "unknown" => {
            let reports = reports_of(Some("b3,baggage, jaeger"), None, |builder| {
                drop(builder.init().unwrap());
                assert_eq!(sent(), ["baggage"]);
            });
            assert_eq!(reports, [SKIPPED]);
        }
        "only_unknown" => {
            let reports = reports_of(Some("b3"), None, |builder| {
                drop(builder.init().unwrap());
                assert_eq!(sent(), ["baggage", "traceparent", "tracestate"]);
            });
            assert_eq!(reports.len(), 1, "{reports:?}");
        }
        "none" => {
            global::set_text_map_propagator(StockBaggage::new());
            fields_after(Some("none"), None, &["baggage"]);
        }
        "code" => fields_after(
            Some("baggage"),
            Some(vec![Propagator::TraceContext]),
            &["traceparent", "tracestate"],
        ),
        "none_in_code" => fields_after(Some("baggage"), Some(vec![]), &[]),
        "disabled" => disabled(),
        "build" => build(),
        "guard" => guard(),
        other => panic!("no case {other}"),
    }
    println!("{DONE}");
}

const SKIPPED: &str = "OTEL_PROPAGATORS=`b3,jaeger` is ignored: accepted is tracecontext, baggage, \
                       none; the others are skipped";

fn builder(variable: Option<&'static str>) -> SpanwiseBuilder {
    let sink = |_: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
    Spanwise::builder()
        .with_environment(move |name| {
            variable.filter(|_| name == "OTEL_PROPAGATORS").map(ToOwned::to_owned)
        })
        .with_sink(sink)
}

fn reports_of(
    variable: Option<&'static str>,
    code: Option<Vec<Propagator>>,
    check: impl FnOnce(SpanwiseBuilder),
) -> Vec<String> {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = reports.clone();
    let mut builder =
        builder(variable).with_diagnostics(move |it| seen.lock().unwrap().push(it.to_string()));
    if let Some(code) = code {
        builder = builder.with_propagators(code);
    }
    check(builder);
    let mut reports = std::mem::take(&mut *reports.lock().unwrap());
    // The guard was dropped before any span: that is reported too if a span follows, and none does.
    reports.retain(|report| report.contains("PROPAGATORS") || report.contains("propagators"));
    reports
}

fn fields_after(variable: Option<&'static str>, code: Option<Vec<Propagator>>, fields: &[&str]) {
    let reports = reports_of(variable, code, |builder| {
        let _guard = builder.init().unwrap();
        assert_eq!(sent(), fields);
    });
    assert!(reports.is_empty(), "{reports:?}");
}

/// The headers that the global propagator injects for a context with a span and baggage.
fn sent() -> Vec<String> {
    let state = opentelemetry::trace::TraceState::from_key_value([("a", "1")]).unwrap();
    let context = opentelemetry::trace::SpanContext::new(
        1_u128.into(),
        1_u64.into(),
        opentelemetry::trace::TraceFlags::SAMPLED,
        true,
        state,
    );
    let cx =
        Context::new().with_remote_span_context(context).with_baggage([KeyValue::new("user", "7")]);
    let mut headers = HashMap::new();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&cx, &mut headers));
    let mut names: Vec<_> = headers.into_keys().collect();
    names.sort();
    names
}

/// Specification, *OTEL_SDK_DISABLED*: no effect on propagators.
fn disabled() {
    let guard = Spanwise::builder()
        .with_environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()))
        .init()
        .unwrap();
    assert_eq!(sent(), ["baggage", "traceparent", "tracestate"]);
    drop(guard);
}

fn build() {
    let reports = reports_of(Some("tracecontext"), Some(vec![Propagator::Baggage]), |builder| {
        let spanwise = builder.build().unwrap();
        assert_eq!(sent(), [""; 0]);
        let span = global::tracer("test").start("of no provider");
        assert!(!opentelemetry::trace::Span::span_context(&span).is_valid());
        spanwise.shutdown().unwrap();
    });
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports.iter().all(|report| report.contains("build sets no globals; use init")));
}

/// The guard implements `TracerProvider`, and its own `tracer` needs no import.
fn guard() {
    fn scope(provider: &impl opentelemetry::trace::TracerProvider) {
        let tracer = provider.tracer_with_scope(
            opentelemetry::InstrumentationScope::builder("scope").with_version("1").build(),
        );
        drop(tracer.start("through the trait"));
    }
    let guard = builder(None).init().unwrap();
    scope(&guard);
    guard.tracer("named").root("native", spanwise_sdk::SpanKind::Internal).finish();
    drop(global::tracer("global").start("through the global provider"));
    assert_eq!(guard.force_flush().unwrap().exported, 3);
    assert_eq!(guard.shutdown().unwrap().ledger.exported, 3);
}

#[test]
fn init_sets_trace_context_and_baggage_by_default() {
    run("default");
}

#[test]
fn init_sets_each_propagator_that_the_variable_names_once() {
    run("one");
}

#[test]
fn an_unknown_propagator_is_reported_and_skipped() {
    run("unknown");
    run("only_unknown");
}

#[test]
fn none_leaves_the_global_propagator_as_it_is() {
    run("none");
    run("none_in_code");
}

#[test]
fn code_precedes_the_variable() {
    run("code");
}

#[test]
fn a_disabled_sdk_propagates() {
    run("disabled");
}

#[test]
fn build_sets_no_globals_and_reports_settings_of_them() {
    run("build");
}

#[test]
fn the_guard_is_a_tracer_provider() {
    run("guard");
}

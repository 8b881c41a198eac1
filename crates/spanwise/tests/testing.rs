//! The in-memory exporter, beside the one of the stock SDK and as a test of a program uses it.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use spanwise::opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind as ApiKind, Status, TraceContextExt as _, TraceFlags,
    TraceId, TraceState, Tracer as _,
};
use spanwise::opentelemetry::{Array, Context, InstrumentationScope, KeyValue, Value, global};
use spanwise::sampling::Sampler;
use spanwise::testing::{CollectError, Collected, CollectedSpan, collect, collect_with};
use spanwise::{SpanKind, SpanLimits, Spanwise};
use spanwise_testkit::generate::{Shape, span_specs};
use spanwise_testkit::replay_on;
use std::panic::{UnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

/// The message of the panic that `assertion` must end with.
fn failure<T>(assertion: impl FnOnce() -> T + UnwindSafe) -> String {
    let payload = catch_unwind(assertion).err().unwrap();
    *payload.downcast::<String>().unwrap()
}

fn trace(spanwise: &Spanwise) {
    let tracer = spanwise.tracer("shop");
    tracer.in_span("checkout", |cx| {
        cx.span().set_attribute(KeyValue::new("order.id", 4711));
        tracer.in_span("charge", |cx| {
            cx.span().set_attribute(KeyValue::new("card", "visa \"x\""));
            cx.span().add_event("retry", vec![KeyValue::new("attempt", 2)]);
            cx.span().set_status(Status::error("declined"));
        });
        tracer.in_span("reserve", |_| ());
    });
}

/// The oracle is `InMemorySpanExporter`, given the same spans.
#[test]
fn spans_are_those_that_the_stock_exporter_collects() {
    let specs = span_specs(&Shape::default(), 40..41);
    let specs = specs.new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let stock = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_sampler(opentelemetry_sdk::trace::Sampler::AlwaysOn)
        .with_simple_exporter(stock.clone())
        .build();
    // One by one, because generated times give no order.
    for spec in &specs {
        let (spanwise, collected) =
            collect_with(|builder| builder.with_sampler(Sampler::always_on()));
        replay_on(&provider, spec);
        replay_on(&spanwise, spec);
        let stock_spans = stock.get_finished_spans().unwrap();
        let ours = collected.spans();
        assert_eq!((stock_spans.len(), ours.len()), (1, 1), "{spec:?}");
        assert_same(&ours[0], &stock_spans[0]);
        stock.reset();
    }
}

fn assert_same(ours: &CollectedSpan, stock: &opentelemetry_sdk::trace::SpanData) {
    // `Debug`, so that NaN equals itself.
    fn same<A: std::fmt::Debug, B: std::fmt::Debug>(ours: A, stock: B) {
        assert_eq!(normal(format!("{ours:?}")), normal(format!("{stock:?}")));
    }
    // OTLP does not state of which kind an empty list is; the representation of strings differs.
    fn normal(text: String) -> String {
        ["Bool([])", "I64([])", "F64([])"]
            .iter()
            .fold(text, |text, list| text.replace(list, "String([])"))
            .replace("Static(", "Owned(")
            .replace("RefCounted(", "Owned(")
    }
    assert_eq!(ours.name(), stock.name);
    let kind = match ours.kind() {
        SpanKind::Internal => ApiKind::Internal,
        SpanKind::Server => ApiKind::Server,
        SpanKind::Client => ApiKind::Client,
        SpanKind::Producer => ApiKind::Producer,
        SpanKind::Consumer => ApiKind::Consumer,
    };
    assert_eq!(kind, stock.span_kind);
    assert_eq!(ours.parent_span_id().unwrap_or(SpanId::INVALID), stock.parent_span_id);
    assert_eq!(ours.parent_is_remote(), stock.parent_span_is_remote);
    if stock.parent_span_id != SpanId::INVALID {
        assert_eq!(ours.trace_id(), stock.span_context.trace_id());
    }
    assert_eq!((ours.start_time(), ours.end_time()), (stock.start_time, stock.end_time));
    assert_eq!(ours.duration(), stock.end_time.duration_since(stock.start_time).unwrap());
    assert_eq!(ours.status(), &stock.status);
    assert_eq!(ours.scope().name(), stock.instrumentation_scope.name());
    assert_eq!(ours.scope().version(), stock.instrumentation_scope.version());
    assert_eq!(ours.scope().schema_url(), stock.instrumentation_scope.schema_url());
    same(ours.attributes(), &stock.attributes);
    same(ours.events(), &stock.events.events);
    same(ours.links(), &stock.links.links);
    assert_eq!(ours.dropped_attributes_count(), stock.dropped_attributes_count);
}

#[test]
fn a_test_in_ten_lines() {
    let (spanwise, collected) = collect();
    trace(&spanwise);
    let checkout = collected.span("checkout");
    assert_eq!(checkout.attribute("order.id"), Some(4711.into()));
    assert_eq!(checkout.attribute("no.such"), None);
    assert_eq!((checkout.parent_span_id(), checkout.kind()), (None, SpanKind::Internal));
    let charge = collected.span("charge");
    assert!(charge.is_child_of(&checkout) && !checkout.is_child_of(&charge));
    assert_eq!(charge.parent_span_id(), Some(checkout.span_id()));
    assert_eq!(charge.trace_id(), checkout.trace_id());
    assert_eq!(charge.status(), &Status::error("declined"));
    assert_eq!((charge.events()[0].name.as_ref(), charge.events().len()), ("retry", 1));
    let children = collected.children_of(&checkout);
    assert_eq!(children.iter().map(CollectedSpan::name).collect::<Vec<_>>(), ["charge", "reserve"]);
    collected.assert_tree(
        "
        checkout
            reserve
            charge
        ",
    );
}

#[test]
fn the_tree_has_attributes_status_and_events() {
    let (spanwise, collected) = collect();
    trace(&spanwise);
    let tree = collected.tree();
    let lines: Vec<&str> = tree.lines().collect();
    assert_eq!(lines.len(), 5, "{tree}");
    assert_eq!(lines[0], format!("trace {}", collected.span("charge").trace_id()));
    let is = |line: &str, start: &str, end: &str| line.starts_with(start) && line.ends_with(end);
    assert!(is(lines[1], "  checkout (internal, ", ") order.id=4711"), "{tree}");
    let charge = r#") card="visa \"x\"" status=error "declined""#;
    assert!(is(lines[2], "    charge (internal, ", charge), "{tree}");
    assert_eq!(lines[3], "      event retry attempt=2");
    assert!(is(lines[4], "    reserve (internal, ", ")"), "{tree}");
    assert_eq!(format!("{collected:?}"), tree);
}

#[test]
fn failed_assertions_print_the_tree() {
    let (spanwise, collected) = collect();
    let empty = "no span is named \"x\"\nno span has ended since the start or the last clear\n";
    assert_eq!(failure(|| collected.span("x")), empty);
    trace(&spanwise);
    let tree = collected.tree();
    let message = failure(|| collected.span("refund"));
    assert_eq!(message, format!("no span is named \"refund\"\n{tree}"));
    let message = failure(|| collected.assert_tree("\ncheckout\n  charge\n"));
    let expected = "the spans form another tree\nexpected:\ncheckout\n  charge\ncollected:\n";
    assert_eq!(message, format!("{expected}{tree}"));
    trace(&spanwise);
    let message = failure(|| collected.span("charge"));
    assert!(message.starts_with("2 spans are named \"charge\""), "{message}");
    assert_eq!(message.matches("\n  checkout ").count(), 2, "{message}");
    assert_eq!(collected.spans_named("charge").len(), 2);
}

#[test]
fn the_message_of_a_failed_assertion_has_a_limit() {
    let (spanwise, collected) = collect();
    let tracer = spanwise.tracer("shop");
    (0..2000).for_each(|_| tracer.in_span("checkout", |_| ()));
    let message = failure(|| collected.span("charge"));
    assert_eq!(message.lines().count(), 1002);
    // Two lines for each span, and the title.
    let end = "… and 3000 more lines; Collected::tree returns all of them";
    assert!(message.ends_with(end), "{:?}", message.lines().last());
    assert_eq!(collected.tree().lines().count(), 4000);
}

#[test]
fn trees_are_compared_by_shape() {
    let (spanwise, collected) = collect();
    trace(&spanwise);
    spanwise.tracer("shop").in_span("poll", |_| ());
    collected.assert_tree("checkout\n charge\n reserve\npoll");
    collected.assert_tree("poll\ncheckout\n\treserve\n\n\tcharge");
    for other in [
        "",
        "checkout\n charge\n reserve",
        "checkout\n charge\n  reserve\npoll",
        "checkout\n charge\n reserve\n poll",
        "checkout\n charge\n charge\npoll",
        "checkout\n charge\n reserve\npoll\npoll",
        "checkout\ncharge\nreserve\npoll",
    ] {
        assert!(failure(|| collected.assert_tree(other)).contains("another tree"), "{other}");
    }
    collected.clear();
    collected.assert_tree("\n  \n");
}

#[test]
fn clear_forgets_what_has_ended() {
    let (spanwise, collected) = collect();
    let mut late = spanwise.tracer("shop").start("late");
    trace(&spanwise);
    collected.clear();
    assert!(collected.spans().is_empty());
    late.end();
    collected.span("late");
    assert_eq!(collected.spans().len(), 1);
}

/// A coarse clock, or times that the program sets.
#[test]
fn of_equal_start_times_the_parent_is_first() {
    let (spanwise, collected) = collect();
    let tracer = spanwise.tracer("shop");
    let start = SystemTime::now();
    let mut cx = Context::new();
    for name in ["checkout", "charge", "authorize"] {
        let builder = tracer.span_builder(name).with_start_time(start);
        cx = cx.with_span(builder.start_with_context(&tracer, &cx));
    }
    drop(cx);
    let spans = collected.spans();
    let names: Vec<_> = spans.iter().map(CollectedSpan::name).collect();
    assert_eq!(names, ["checkout", "charge", "authorize"]);
}

#[test]
fn spans_of_all_threads_are_there() {
    let (spanwise, collected) = collect();
    const THREADS: usize = 8;
    const SPANS: usize = 500;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (spanwise, collected) = (spanwise.clone(), collected.clone());
            scope.spawn(move || {
                for n in 0..SPANS {
                    let name = format!("{thread}-{n}");
                    spanwise.tracer("shop").in_span(name.clone(), |_| ());
                    if n % 100 == 0 {
                        collected.span(&name);
                    }
                }
            });
        }
    });
    assert_eq!(collected.spans().len(), THREADS * SPANS);
}

#[test]
fn it_works_inside_runtimes_and_after_a_shutdown() {
    let (spanwise, collected) = collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        trace(&spanwise);
        assert_eq!(collected.spans().len(), 3);
    });
    trace(&spanwise);
    spanwise.shutdown_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(collected.spans().len(), 6);
    trace(&spanwise);
    assert_eq!(collected.spans().len(), 6);
    drop(spanwise);
    collected.clear();
    assert!(collected.spans().is_empty());
}

#[test]
fn settings_are_the_programs_own() {
    let scope = InstrumentationScope::builder("shop")
        .with_version("1.2")
        .with_schema_url("https://example.com/schema")
        .with_attributes([KeyValue::new("team", "orders")])
        .build();
    let (spanwise, collected) = collect_with(|builder| {
        let mut limits = SpanLimits::default();
        limits.attributes = 2;
        builder
            .with_service_name("shop")
            .with_resource([KeyValue::new("zone", "a")])
            .with_endpoint("no URL at all")
            .with_span_limits(limits)
    });
    use spanwise::opentelemetry::trace::TracerProvider as _;
    let mut span = spanwise.tracer_with_scope(scope.clone()).start("span");
    span.set_attributes((0..5).map(|n| KeyValue::new(format!("key {n}"), n)));
    span.end();
    let span = collected.span("span");
    assert_eq!(span.scope(), &scope);
    assert_eq!(span.resource_attribute("service.name"), Some("shop".into()));
    assert_eq!(span.resource_attribute("zone"), Some("a".into()));
    assert!(span.resource().len() >= 2);
    assert_eq!((span.attributes().len(), span.dropped_attributes_count()), (2, 3));
}

#[test]
fn a_setting_that_cannot_be_used_fails_the_test() {
    let message = failure(|| collect_with(|builder| builder.with_sampling_ratio(7.0)));
    assert!(message.starts_with("the provider of this test cannot be built: "), "{message}");
}

#[test]
fn a_remote_parent_is_reported_as_missing() {
    let (spanwise, collected) = collect();
    let state: TraceState = "vendor=1".parse().unwrap();
    let ids = (TraceId::from(7u128), SpanId::from(9u64));
    let parent = SpanContext::new(ids.0, ids.1, TraceFlags::SAMPLED, true, state.clone());
    let cx = Context::new().with_remote_span_context(parent.clone());
    let mut span = spanwise.tracer("shop").start_with_context("server", &cx);
    span.add_link(parent.clone(), vec![KeyValue::new("why", "batch")]);
    span.end();
    let span = collected.span("server");
    assert_eq!((span.trace_id(), span.parent_span_id()), (ids.0, Some(ids.1)));
    assert!(span.parent_is_remote() && !span.span_context().is_remote());
    assert_eq!(span.span_context().trace_state(), &state);
    assert!(span.span_context().is_sampled());
    assert_eq!(span.links()[0].span_context, parent);
    let tree = collected.tree();
    assert!(tree.contains(" (parent 0000000000000009 was not collected)"), "{tree}");
    let link = "\n    link 00000000000000000000000000000007/0000000000000009 why=\"batch\"\n";
    assert!(tree.ends_with(link), "{tree}");
}

#[test]
fn values_that_the_api_lacks_are_text() {
    let (spanwise, collected) = collect();
    let mut span = spanwise.tracer("shop").root("span", SpanKind::Client);
    span.attribute("bytes", [1u8, 0xff].as_slice())
        .attribute("list", ["a", "b"].as_slice())
        .attribute("numbers", [1i64, 2].as_slice())
        .attribute("large", u64::MAX);
    span.finish();
    let span = collected.span("span");
    assert_eq!(span.attribute("bytes"), Some(Value::from("\"01ff\"")));
    let list = Array::String(vec!["a".into(), "b".into()]);
    assert_eq!(span.attribute("list"), Some(Value::Array(list)));
    assert_eq!(span.attribute("numbers"), Some(Value::Array(Array::I64(vec![1, 2]))));
    assert_eq!(span.attribute("large"), Some(u64::MAX.to_string().into()));
}

#[test]
fn a_long_chain_is_compared_and_its_printed_indentation_is_limited() {
    let (spanwise, collected) = collect();
    let tracer = spanwise.tracer("shop");
    const DEPTH: usize = 3000;
    let mut parent = Context::new();
    for n in 0..DEPTH {
        // Times rise, so that the order is known.
        let start = SystemTime::UNIX_EPOCH + Duration::from_nanos(n as u64 + 1);
        let builder = tracer.span_builder("link").with_start_time(start);
        let mut span = tracer.build_with_context(builder, &parent);
        span.end();
        parent = Context::new().with_span(span);
    }
    let expected: String = (0..DEPTH).map(|n| " ".repeat(n) + "link\n").collect();
    collected.assert_tree(&expected);
    let tree = collected.tree();
    assert_eq!(tree.lines().count(), DEPTH + 1);
    assert!(tree.len() < DEPTH * 300, "{} bytes", tree.len());
    let other = expected[..expected.len() - 1].rsplit_once('\n').unwrap().0;
    assert!(failure(|| collected.assert_tree(other)).contains("another tree"));
}

#[test]
fn memory_has_a_limit_that_the_error_names() {
    let (spanwise, collected) = collect();
    let tracer = spanwise.tracer("shop");
    // Values of 64 KiB; 64 MiB hold less than 1024 of them.
    let text = "x".repeat(65_000);
    for _ in 0..1100 {
        let mut span = tracer.start("large");
        span.set_attribute(KeyValue::new("text", text.clone()));
        span.end();
    }
    let Err(CollectError::Full { refused }) = collected.try_spans() else {
        unreachable!("too much")
    };
    assert!((50..600).contains(&refused), "{refused}");
    let message = failure(|| collected.spans());
    let expected = format!(
        "{refused} spans were not collected: accepted are 64 MiB of encoded spans; call \
         Collected::clear between the parts of a test"
    );
    assert_eq!(message, expected);
    collected.clear();
    trace(&spanwise);
    assert_eq!(collected.spans().len(), 3);
}

#[test]
fn the_global_provider_and_tracing_lead_to_it() {
    use tracing_subscriber::prelude::*;
    let (spanwise, collected) = collect();
    global::set_tracer_provider(spanwise.clone());
    global::tracer("shop").in_span("global", |cx| {
        let layer = tracing_opentelemetry::layer().with_tracer(spanwise.tracer("tracing"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _span = tracing::info_span!("traced", order.id = 4711).entered();
            tracing::info!("inside");
        });
        assert!(cx.span().is_recording());
    });
    collected.assert_tree("global\n  traced");
    let traced = collected.span("traced");
    assert_eq!(traced.attribute("order.id"), Some(4711.into()));
    assert_eq!(traced.events()[0].name, "inside");
}

#[test]
fn it_is_send_and_sync() {
    fn is_shared<T: Send + Sync + Clone + 'static>() {}
    is_shared::<Collected>();
    is_shared::<CollectedSpan>();
    is_shared::<CollectError>();
}

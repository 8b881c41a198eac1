//! Behaviour of the subscriber that a program can see.

use crate::exported::{Exported, Exporting, texts};
use opentelemetry::trace::TraceContextExt as _;
use spanwise_tracing::{OpenTelemetrySpanExt as _, SpanwiseSubscriber, subscriber};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tracing::{Dispatch, Instrument as _, Span, debug_span, info, info_span};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Runs `program` under a subscriber.
fn run(
    configure: impl FnOnce(SpanwiseSubscriber) -> SpanwiseSubscriber,
    program: impl FnOnce(),
) -> Exported {
    let exporting = Exporting::new();
    let subscriber = configure(subscriber(&exporting.spanwise));
    tracing::subscriber::with_default(subscriber, program);
    exporting.finish()
}

fn without_contexts(subscriber: SpanwiseSubscriber) -> SpanwiseSubscriber {
    subscriber.with_context_activation(false)
}

/// Both with and without activated contexts.
fn check(program: impl Fn(), assert: impl Fn(&Exported)) {
    assert(&run(|subscriber| subscriber, &program));
    assert(&run(without_contexts, &program));
}

#[test]
fn spans_have_fields_events_and_parents() {
    check(
        || {
            let server =
                info_span!("server", otel.kind = "server", x = 1, later = tracing::field::Empty);
            server.in_scope(|| {
                info!(y = 2, "hello");
                info_span!("query", otel.name = "SELECT").in_scope(|| tracing::error!("bad"));
                server.record("later", "value");
            });
        },
        |exported| {
            assert_eq!(exported.names(), ["server", "SELECT"]);
            assert_eq!(exported.parent("SELECT"), Some("server"));
            assert_eq!(exported.span("server").kind, 2);
            let attributes = exported.attributes("server");
            assert_eq!(attributes["x"], "1");
            assert_eq!(attributes["later"], "value");
            let [event] = &exported.span("server").events[..] else { panic!("one event") };
            assert_eq!(event.name, "hello");
            assert_eq!(texts(&event.attributes)["y"], "2");
            assert_eq!(exported.span("SELECT").status.as_ref().map(|status| status.code), Some(2));
        },
    );
}

#[test]
fn a_span_ends_at_its_last_exit() {
    check(
        || {
            let span = info_span!("entered");
            span.in_scope(|| {});
            let _after = info_span!("after").entered();
            drop(span);
        },
        |exported| {
            let (entered, after) = (exported.span("entered"), exported.span("after"));
            assert!(entered.end_time_unix_nano <= after.start_time_unix_nano);
            assert!(exported.parent("after").is_none());
        },
    );
}

#[test]
fn a_child_holds_its_parent_open() {
    check(
        || {
            let parent = info_span!("parent");
            let id = parent.id();
            let child = info_span!(parent: &parent, "child");
            drop(parent);
            info!(parent: id.clone(), "late");
            drop(child);
            info!(parent: id, "too late");
        },
        |exported| {
            assert_eq!(exported.parent("child"), Some("parent"));
            assert_eq!(exported.span("parent").events.len(), 1);
        },
    );
}

#[test]
fn a_handle_holds_its_span_open() {
    check(
        || {
            let span = info_span!("span");
            let other = span.clone();
            drop(span);
            other.in_scope(|| info!("in the span"));
        },
        |exported| assert_eq!(exported.span("span").events.len(), 1),
    );
}

#[test]
fn parents_are_explicit_or_none() {
    check(
        || {
            let first = info_span!("first");
            let _second = info_span!("second").entered();
            info_span!(parent: &first, "below first").in_scope(|| {});
            info_span!(parent: None, "root").in_scope(|| {});
            info!(parent: &first, "to first");
        },
        |exported| {
            assert_eq!(exported.parent("below first"), Some("first"));
            assert_eq!(exported.parent("root"), None);
            assert!(exported.span("root").parent_span_id.is_empty());
            assert_eq!(exported.span("first").events.len(), 1);
            assert!(exported.span("second").events.is_empty());
        },
    );
}

#[test]
fn a_span_links_to_the_span_it_follows() {
    check(
        || {
            let cause = info_span!("cause");
            info_span!("effect").follows_from(&cause);
        },
        |exported| {
            let [link] = &exported.span("effect").links[..] else { panic!("one link") };
            assert_eq!(link.span_id, exported.span("cause").span_id);
        },
    );
}

#[test]
fn the_current_span_is_a_handle() {
    check(
        || {
            assert!(Span::current().is_none());
            let _outer = info_span!("outer", n = tracing::field::Empty).entered();
            let current = Span::current();
            assert_eq!(current.metadata().map(|metadata| metadata.name()), Some("outer"));
            current.record("n", 1);
            let inner = info_span!("inner").entered();
            assert_eq!(Span::current().id(), inner.id());
            drop(inner);
            assert_eq!(Span::current(), current);
        },
        |exported| assert_eq!(exported.attributes("outer")["n"], "1"),
    );
}

#[test]
fn exits_out_of_order_leave_the_right_span() {
    check(
        || {
            let (first, second) = (info_span!("first").entered(), info_span!("second").entered());
            drop(first);
            info!("in second");
            drop(second);
            assert!(Span::current().is_none());
        },
        |exported| {
            assert_eq!(exported.span("second").events.len(), 1);
            assert!(exported.span("first").events.is_empty());
        },
    );
}

#[test]
fn a_span_that_is_entered_twice_is_current_until_its_last_exit() {
    check(
        || {
            let span = info_span!("span");
            let outer = span.enter();
            span.in_scope(|| {});
            info!("in the span");
            drop(outer);
        },
        |exported| assert_eq!(exported.span("span").events.len(), 1),
    );
}

#[test]
fn disabled_callsites_are_asked_once() {
    static FORMATTED: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl std::fmt::Debug for Counted {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            FORMATTED.fetch_add(1, SeqCst);
            f.write_str("counted")
        }
    }
    let program = || {
        let below = debug_span!("debug", field = ?Counted);
        assert!(below.is_disabled());
        let other = info_span!(target: "noise", "other target", field = ?Counted);
        assert!(other.is_disabled());
        info_span!("recorded", field = ?Counted).in_scope(|| {});
    };
    let targets =
        Targets::new().with_default(LevelFilter::TRACE).with_target("noise", LevelFilter::WARN);
    let exported = run(|subscriber| subscriber.with_targets(targets), program);
    assert_eq!(exported.names(), ["recorded"]);
    assert_eq!(FORMATTED.load(SeqCst), 1);
}

#[test]
fn the_level_is_a_choice() {
    let program = || drop((debug_span!("debug"), tracing::trace_span!("trace")));
    let exported = run(|subscriber| subscriber.with_max_level(LevelFilter::DEBUG), program);
    assert_eq!(exported.names(), ["debug"]);
    let exported =
        run(|subscriber| subscriber.with_max_level(LevelFilter::OFF), || drop(info_span!("a")));
    assert!(exported.names().is_empty());
}

#[test]
fn the_extension_trait_finds_the_spans() {
    check(
        || {
            let span = info_span!("span");
            span.set_attribute("set", "yes");
            let context = span.context().span().span_context().clone();
            assert!(context.is_valid());
            let id = span.id().unwrap();
            let found = tracing::dispatcher::get_default(|dispatch: &Dispatch| {
                spanwise_tracing::get_otel_context(&id, dispatch)
            });
            assert_eq!(found.unwrap().span().span_context(), &context);
        },
        |exported| assert_eq!(exported.attributes("span")["set"], "yes"),
    );
}

#[test]
fn an_entered_span_is_the_current_one_of_the_api() {
    let exported = run(
        |subscriber| subscriber,
        || {
            let span = info_span!("span").entered();
            let current = opentelemetry::Context::current();
            assert_eq!(current.span().span_context(), span.context().span().span_context());
            current.span().set_attribute(opentelemetry::KeyValue::new("by", "api"));
        },
    );
    assert_eq!(exported.attributes("span")["by"], "api");
}

#[tracing::instrument(skip(hidden), fields(extra = 3), err)]
async fn instrumented(shown: u32, hidden: &str) -> Result<u32, String> {
    tokio::task::yield_now().await;
    info!("inside");
    if hidden.is_empty() { Err("empty".to_owned()) } else { Ok(shown) }
}

#[test]
fn futures_carry_their_spans_across_threads() {
    let exporting = Exporting::new();
    let dispatch = Dispatch::new(subscriber(&exporting.spanwise));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .on_thread_start({
            let dispatch = dispatch.clone();
            move || std::mem::forget(tracing::dispatcher::set_default(&dispatch))
        })
        .build()
        .unwrap();
    tracing::dispatcher::with_default(&dispatch, || {
        let requests = (0..64).map(|n| {
            let request = async move {
                let _ = instrumented(n, "text").await;
                let _ = instrumented(n, "").await;
            };
            runtime.spawn(request.instrument(info_span!("request", n)))
        });
        for request in requests.collect::<Vec<_>>() {
            runtime.block_on(request).unwrap();
        }
    });
    drop((runtime, dispatch));
    let exported = exporting.finish();
    assert_eq!(exported.spans.len(), 64 * 3);
    for span in exported.spans.iter().filter(|span| span.name == "instrumented") {
        let attributes = texts(&span.attributes);
        let parent = exported.spans.iter().find(|parent| parent.span_id == span.parent_span_id);
        assert_eq!(texts(&parent.unwrap().attributes)["n"], attributes["shown"]);
        assert_eq!(attributes["extra"], "3");
        assert!(!attributes.contains_key("hidden"));
        assert!(span.events.iter().any(|event| event.name == "inside"));
    }
}

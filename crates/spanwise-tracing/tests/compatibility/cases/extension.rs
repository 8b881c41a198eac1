//! The methods of the extension trait, in every state of a span.

use super::Case;
use super::parents::INVALID;
use crate::bench::{Bench, FILTERED, INACTIVE, PLAIN, Setup};
use crate::extension::remote_parent;
use crate::{differs, same};
use opentelemetry::trace::{Status, TraceContextExt as _};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use std::time::{Duration, UNIX_EPOCH};
use tracing::{Span, debug_span, info_span, trace_span};

/// Another layer reads contexts.
const READING: Setup = Setup { reading: true, ..PLAIN };

pub fn cases() -> Vec<Case> {
    let mut cases = parents();
    cases.extend(contexts());
    cases.extend(changes());
    cases
}

fn parents() -> Vec<Case> {
    vec![
        same("`set_parent` before the span is entered", PLAIN, |it| {
            let span = info_span!("a");
            let set = it.set_parent(&span, remote_parent(9));
            span.in_scope(|| drop(info_span!("b")));
            drop(span);
            format!("{set}; {}", it.text())
        }),
        same("… without context activation", INACTIVE, |it| {
            let span = info_span!("a");
            let set = it.set_parent(&span, remote_parent(9));
            span.in_scope(|| drop(info_span!("b")));
            drop(span);
            format!("{set}; {}", it.text())
        }),
        same("`set_parent` instead of the entered span", PLAIN, |it| {
            let span = info_span!("outer").in_scope(|| info_span!("a"));
            let set = it.set_parent(&span, remote_parent(9));
            drop(span);
            format!("{set}; {}", it.text())
        }),
        same("`set_parent` twice: the last one counts", PLAIN, |it| {
            let span = info_span!("a");
            let first = it.set_parent(&span, remote_parent(8));
            let second = it.set_parent(&span, remote_parent(9));
            drop(span);
            format!("{first}, {second}; {}", it.text())
        }),
        same("`set_parent` with a context that has no span makes a root", PLAIN, |it| {
            let span = info_span!("outer").in_scope(|| info_span!("a"));
            let set = it.set_parent(&span, Context::new());
            drop(span);
            format!("{set}; {}", it.text())
        }),
        same("`set_parent` preserves fields, events and links", PLAIN, |it| {
            let span = info_span!("a", x = -1, otel.kind = "server");
            tracing::info!(parent: &span, "early");
            it.set_attribute(&span, KeyValue::new("y", 2));
            let set = it.set_parent(&span, remote_parent(9));
            span.in_scope(|| tracing::info!("late"));
            drop(span);
            format!("{set}; {}", it.text())
        }),
        same("`set_parent` inside of the span", PLAIN, |it| {
            let span = info_span!("a").entered();
            let set = it.set_parent(&span, remote_parent(9));
            drop(span);
            format!("{set}; {}", it.text())
        }),
        same("`set_parent` behind `context`", PLAIN, |it| {
            let span = info_span!("a");
            it.context(&span);
            let set = it.set_parent(&span, remote_parent(9));
            drop(span);
            format!("{set}; {}", it.text())
        }),
        same("`set_parent` of a span that has a child", PLAIN, |it| {
            let span = info_span!("a");
            let child = info_span!(parent: &span, "b");
            let set = it.set_parent(&span, remote_parent(9));
            drop((span, child));
            format!("{set}; {}", it.text())
        }),
        differs(
            "`set_parent` of a span that the filter removes",
            FILTERED,
            |it| it.set_parent(&trace_span!("a"), remote_parent(9)),
            "It has no effect, and both document this error.",
        ),
        same("`set_parent` of a disabled span", PLAIN, |it| {
            it.set_parent(&Span::none(), remote_parent(9))
        }),
        same("`set_parent` with a context that is not sampled", PLAIN, |it| {
            use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId};
            let state = opentelemetry::trace::TraceState::default();
            let (trace_id, span_id) = (TraceId::from(7u128), SpanId::from(7));
            let parent = SpanContext::new(trace_id, span_id, TraceFlags::default(), true, state);
            let span = info_span!("a");
            let set = it.set_parent(&span, Context::new().with_remote_span_context(parent));
            span.in_scope(|| drop(info_span!("b")));
            drop(span);
            format!("{set}; {}", it.text())
        }),
        differs(
            "`set_parent` with an invalid span context makes a root",
            PLAIN,
            |it| {
                use opentelemetry::trace::SpanContext;
                let parent = Context::new().with_remote_span_context(SpanContext::empty_context());
                let span = info_span!("outer").in_scope(|| info_span!("a"));
                let set = it.set_parent(&span, parent);
                span.in_scope(|| drop(info_span!("b")));
                drop(span);
                format!("{set}; {}", it.text())
            },
            INVALID,
        ),
        same("The values of the parent's context are current inside of the span", PLAIN, |it| {
            #[derive(Debug)]
            struct Tenant(&'static str);
            let span = info_span!("a");
            let set = it.set_parent(&span, remote_parent(9).with_value(Tenant("x")));
            let found = span.in_scope(|| Context::current().get::<Tenant>().map(|it| it.0));
            drop(span);
            format!("{set}, {found:?}; {}", it.text())
        }),
        same("The trace state of a remote parent", PLAIN, |it| {
            let parent = crate::extension::remote(9);
            let state = "shop=1".parse().unwrap();
            let (trace_id, span_id) = (parent.trace_id(), parent.span_id());
            let parent = opentelemetry::trace::SpanContext::new(
                trace_id,
                span_id,
                parent.trace_flags(),
                true,
                state,
            );
            let span = info_span!("a");
            let set = it.set_parent(&span, Context::new().with_remote_span_context(parent));
            span.in_scope(|| drop(info_span!("b")));
            drop(span);
            format!("{set}; {}", it.text())
        }),
    ]
}

fn contexts() -> Vec<Case> {
    vec![
        same("`context` has the span as its current span", PLAIN, context),
        same("… without context activation", INACTIVE, context),
        same("`context` of a disabled span has no span", PLAIN, |it| {
            it.context(&Span::none()).span().span_context().is_valid().to_string()
        }),
        same("`context` of a span that the filter removes has no span", FILTERED, |it| {
            it.context(&trace_span!("a")).span().span_context().is_valid().to_string()
        }),
        same("`context` is the parent of a span on another thread", PLAIN, |it| {
            let span = info_span!("a");
            let (context, dispatch) = (it.context(&span), it.dispatch().clone());
            let thread = std::thread::spawn(move || {
                let guard = context.attach();
                tracing::dispatcher::with_default(&dispatch, || drop(info_span!("b")));
                drop(guard);
            });
            thread.join().unwrap();
            drop(span);
            it.text()
        }),
        same("`context` carries baggage of the parent", PLAIN, |it| {
            use opentelemetry::baggage::BaggageExt as _;
            let span = info_span!("a");
            let parent = remote_parent(9).with_baggage([KeyValue::new("user", "Ann")]);
            let set = it.set_parent(&span, parent);
            let user = it.context(&span).baggage().get("user").map(|user| user.to_string());
            drop(span);
            format!("{set}, {user:?}; {}", it.text())
        }),
        same("`get_otel_context`", PLAIN, |it| {
            let span = info_span!("a");
            let context = it.context_of_id(&span).unwrap();
            let id = context.span().span_context().span_id();
            drop((span, context));
            (it.span("a").span_id == id.to_bytes()).to_string()
        }),
        same("`get_otel_context` of a span that the filter removes", FILTERED, |it| {
            it.context_of_id(&trace_span!("a")).is_some().to_string()
        }),
        same("`get_otel_context` by another layer, at each enter", READING, |it| {
            info_span!("a").in_scope(|| info_span!("b").in_scope(|| ()));
            let spans = it.spans();
            let name = |id: Vec<u8>| {
                let span = spans.iter().find(|span| span.span_id == id);
                span.map_or("none", |span| &span.name)
            };
            it.read().into_iter().map(name).collect::<Vec<_>>().join(", ")
        }),
        same("`Span::current().context()`", PLAIN, |it| {
            let id = info_span!("a")
                .in_scope(|| it.context(&Span::current()).span().span_context().span_id());
            (it.span("a").span_id == id.to_bytes()).to_string()
        }),
    ]
}

fn context(it: &Bench) -> String {
    let span = info_span!("a");
    let id = it.context(&span).span().span_context().span_id();
    drop(span);
    (it.span("a").span_id == id.to_bytes()).to_string()
}

fn changes() -> Vec<Case> {
    vec![
        same("`set_attribute` before and after the start", PLAIN, |it| {
            let span = info_span!("a", x = -1);
            it.set_attribute(&span, KeyValue::new("y", 2));
            span.in_scope(|| it.set_attribute(&span, KeyValue::new("z", "text")));
            it.set_attribute(&span, KeyValue::new("last", 0.5));
            drop(span);
            it.text()
        }),
        same("`set_attribute` with an array", PLAIN, |it| {
            let span = info_span!("a");
            let texts = vec![StringValue::from("x"), StringValue::from("y")];
            it.set_attribute(&span, KeyValue::new("texts", Value::Array(Array::String(texts))));
            it.set_attribute(&span, KeyValue::new("bools", Value::Array(vec![true].into())));
            drop(span);
            it.text()
        }),
        differs(
            "`set_attribute` of a key that is a field too",
            PLAIN,
            |it| {
                let span = info_span!("a", x = -1);
                it.set_attribute(&span, KeyValue::new("x", 2));
                drop(span);
                it.text()
            },
            "The specification requires unique keys, and that the last value of a key wins.",
        ),
        same("`set_attribute` of a special name is an attribute", PLAIN, |it| {
            let span = info_span!("a");
            it.set_attribute(&span, KeyValue::new("otel.name", "b"));
            drop(span);
            it.text()
        }),
        same("`set_status` before the start", PLAIN, |it| {
            let span = info_span!("a");
            it.set_status(&span, Status::error("no stock"));
            drop(span);
            it.text()
        }),
        differs(
            "`set_status` of \"error\" behind \"ok\", before the start",
            PLAIN,
            |it| {
                let span = info_span!("a");
                it.set_status(&span, Status::Ok);
                it.set_status(&span, Status::error("no stock"));
                drop(span);
                it.text()
            },
            "The specification makes \"ok\" final; here it is before the start too.",
        ),
        same("`set_status` of \"unset\" behind \"error\", inside of the span", PLAIN, |it| {
            let span = info_span!("a").entered();
            it.set_status(&span, Status::error("no stock"));
            it.set_status(&span, Status::Unset);
            drop(span);
            it.text()
        }),
        same("`set_status` inside of the span", PLAIN, |it| {
            let span = info_span!("a").entered();
            it.set_status(&span, Status::Ok);
            drop(span);
            it.text()
        }),
        same("`set_status` of \"error\" behind \"ok\", inside of the span", PLAIN, |it| {
            let span = info_span!("a").entered();
            it.set_status(&span, Status::Ok);
            it.set_status(&span, Status::error("no stock"));
            drop(span);
            it.text()
        }),
        same("`add_event` before and after the start", PLAIN, |it| {
            let span = info_span!("a");
            it.add_event(&span, "one", vec![KeyValue::new("x", 1)]);
            span.in_scope(|| it.add_event(&span, "two", Vec::new()));
            drop(span);
            it.text()
        }),
        same("`add_event_with_timestamp`", PLAIN, |it| {
            let at = UNIX_EPOCH + Duration::from_secs(7);
            let span = info_span!("a");
            it.add_event_at(&span, "one", at);
            span.in_scope(|| it.add_event_at(&span, "two", at));
            drop(span);
            let times =
                it.span("a").events.into_iter().map(|event| event.time_unix_nano / 1_000_000_000);
            format!("{:?}; {}", times.collect::<Vec<_>>(), it.text())
        }),
        same("Changes of a span that the filter removes", FILTERED, |it| {
            debug_span!("a").in_scope(|| {
                let span = trace_span!("removed");
                it.set_attribute(&span, KeyValue::new("x", 1));
                it.set_status(&span, Status::Ok);
                it.add_event(&span, "event", Vec::new());
            });
            it.text()
        }),
    ]
}

//! Sampling, limits, and subscribers without the layer.

use super::Case;
use crate::bench::{INACTIVE, PLAIN, Setup};
use crate::extension::remote_parent;
use crate::{differs, same};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId};
use opentelemetry::{Context, KeyValue};
use tracing::field::Empty;
use tracing::{info, info_span};

const WATCHING: Setup = Setup { watching: true, ..PLAIN };
const LIMITS: Setup = Setup { limits: true, ..PLAIN };

pub fn cases() -> Vec<Case> {
    let mut cases = sampling();
    cases.extend(limits());
    cases
}

/// A context of another process whose span is not sampled.
fn not_sampled() -> Context {
    let (trace_id, span_id) = (TraceId::from(7u128), SpanId::from(9));
    let state = opentelemetry::trace::TraceState::default();
    let context = SpanContext::new(trace_id, span_id, TraceFlags::default(), true, state);
    Context::new().with_remote_span_context(context)
}

fn sampling() -> Vec<Case> {
    vec![
        same("A sampler sees `otel.name`, `otel.kind` and the fields", WATCHING, |it| {
            drop(info_span!("a", otel.name = "b", otel.kind = "server", tenant = "x"));
            format!("{}; {}", it.sampled(), it.text())
        }),
        same("… that are recorded before the span is entered", WATCHING, |it| {
            let span = info_span!("a", otel.kind = Empty, tenant = Empty);
            span.record("tenant", "x").record("otel.kind", "client");
            span.in_scope(|| ());
            drop(span);
            format!("{}; {}", it.sampled(), it.text())
        }),
        same("A sampler drops a span by a field, and sees its child", WATCHING, |it| {
            info_span!("a", drop = true).in_scope(|| info_span!("b", tenant = "y").in_scope(|| ()));
            format!("{}; {}", it.sampled(), it.text())
        }),
        same("Spans below a context that is not sampled", PLAIN, |it| {
            let guard = not_sampled().attach();
            let seen = info_span!("a").in_scope(|| {
                info!("event");
                drop(info_span!("b"));
                let context = Context::current();
                let span = context.span();
                let context = span.span_context();
                let is_own = context.span_id() != SpanId::from(9);
                let trace = u128::from_be_bytes(context.trace_id().to_bytes());
                format!("own id {is_own}, trace {trace}, sampled {}", context.is_sampled())
            });
            drop(guard);
            format!("{seen}; {}", it.text())
        }),
        same("… without context activation", INACTIVE, |it| {
            let guard = not_sampled().attach();
            info_span!("a").in_scope(|| drop(info_span!("b")));
            drop(guard);
            it.text()
        }),
        same("A sampled span below one that is not", PLAIN, |it| {
            let guard = not_sampled().attach();
            let other = remote_parent(7);
            info_span!("a").in_scope(|| {
                let guard = other.attach();
                drop(info_span!("b"));
                drop(guard);
            });
            drop(guard);
            it.text()
        }),
        same("A context that suppresses telemetry", PLAIN, |it| {
            let guard = Context::current().with_telemetry_suppressed().attach();
            info_span!("a").in_scope(|| info!("event"));
            drop(guard);
            it.text()
        }),
        same("A subscriber without the layer", Setup { layer: false, ..PLAIN }, |it| {
            let span = info_span!("a");
            let parent = it.set_parent(&span, remote_parent(9));
            let valid = it.context(&span).span().span_context().is_valid();
            it.set_attribute(&span, KeyValue::new("x", 1));
            let context = it.context_of_id(&span).is_some();
            drop(span);
            format!("{parent}, context {valid}, by id {context}; {}", it.text())
        }),
    ]
}

fn limits() -> Vec<Case> {
    vec![
        same("More fields than the limit of two", LIMITS, |it| {
            drop(info_span!("a", x = -1, y = -2, z = -3));
            it.text()
        }),
        same("More fields than the limit of two, one recorded later", LIMITS, |it| {
            let span = info_span!("a", x = -1, y = -2, z = Empty).entered();
            span.record("z", -3);
            drop(span);
            it.text()
        }),
        same("More events than the limit of two", LIMITS, |it| {
            info_span!("a").in_scope(|| {
                info!("one");
                info!("two");
                info!("three");
            });
            it.text()
        }),
        same("More fields of an event than the limit of three", LIMITS, |it| {
            info_span!("a").in_scope(|| info!(x = -1, y = -2, "event"));
            it.text()
        }),
        same("More links than the limit of two", LIMITS, |it| {
            let span = info_span!("a").entered();
            it.add_link(&span, crate::extension::remote(7));
            it.add_link(&span, crate::extension::remote(8));
            it.add_link(&span, crate::extension::remote(9));
            drop(span);
            it.text()
        }),
        differs(
            "A text of 70,000 characters",
            PLAIN,
            |it| {
                let text = "x".repeat(70_000);
                drop(info_span!("a", text, shown = %text));
                it.text()
            },
            "The stock SDK has no limit of the length; ours bounds memory, and `with_span_limits` sets it.",
        ),
    ]
}

//! Parents by `tracing` and by the context of OpenTelemetry, and links.

use super::Case;
use crate::bench::{Bench, FILTERED, INACTIVE, PLAIN};
use crate::extension::{remote, remote_parent};
use crate::{differs, same};
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use tracing::{debug_span, info_span, trace_span};

pub const INVALID: &str = "A parent without ids makes a root (specification); the stock parent-based sampler drops the span.";

const AGAIN: &str = "The span that was entered last is the current one, for events too; the registry passes over it.";

pub fn cases() -> Vec<Case> {
    let mut cases = by_tracing();
    cases.extend(by_filter());
    cases.extend(by_context());
    cases
}

fn by_tracing() -> Vec<Case> {
    vec![
        same("The entered span is the parent", PLAIN, nested),
        same("… without context activation", INACTIVE, nested),
        same("An explicit parent", PLAIN, explicit),
        same("… without context activation", INACTIVE, explicit),
        same("`parent: None` makes a root", PLAIN, no_parent),
        same("… without context activation", INACTIVE, no_parent),
        same("Siblings have one parent", PLAIN, |it| {
            let a = info_span!("a").entered();
            info_span!("b").in_scope(|| ());
            info_span!("c").in_scope(|| info_span!("d").in_scope(|| ()));
            drop(a);
            it.text()
        }),
        same("A span that was not entered is no parent", PLAIN, |it| {
            let a = info_span!("a");
            drop(info_span!("b"));
            drop(a);
            it.text()
        }),
        same("A span that was exited is no parent", PLAIN, |it| {
            let a = info_span!("a");
            a.in_scope(|| ());
            drop(info_span!("b"));
            drop(a);
            it.text()
        }),
        same("A disabled span (`Span::none()`) as explicit parent makes a root", PLAIN, |it| {
            let a = info_span!("a").entered();
            drop(info_span!(parent: &tracing::Span::none(), "b"));
            drop(a);
            it.text()
        }),
        same("The same span entered twice", PLAIN, |it| {
            let a = info_span!("a");
            a.in_scope(|| a.in_scope(|| info_span!("b").in_scope(|| ())));
            drop(a);
            it.text()
        }),
        differs("A span entered again inside of another one", PLAIN, entered_again, AGAIN),
        differs("… without context activation", INACTIVE, entered_again, AGAIN),
        same("Spans that are exited in another order", PLAIN, |it| {
            let (a, b) = (info_span!("a"), info_span!("b"));
            let (first, second) = (a.enter(), b.enter());
            drop(first);
            info_span!("c").in_scope(|| ());
            drop(second);
            drop((a, b));
            it.text()
        }),
    ]
}

fn nested(it: &Bench) -> String {
    info_span!("a").in_scope(|| info_span!("b").in_scope(|| info_span!("c").in_scope(|| ())));
    it.text()
}

fn entered_again(it: &Bench) -> String {
    let a = info_span!("a").entered();
    info_span!("b").in_scope(|| {
        a.in_scope(|| {
            tracing::info!("event");
            drop(info_span!("c"));
        });
    });
    drop(a);
    it.text()
}

fn explicit(it: &Bench) -> String {
    let a = info_span!("a");
    info_span!("b").in_scope(|| drop(info_span!(parent: &a, "c")));
    drop(info_span!(parent: a.id(), "d"));
    drop(a);
    it.text()
}

fn no_parent(it: &Bench) -> String {
    info_span!("a").in_scope(|| info_span!(parent: None, "b").in_scope(|| drop(info_span!("c"))));
    it.text()
}

fn by_filter() -> Vec<Case> {
    vec![
        same("A span that the filter of the layer removes is no parent", FILTERED, |it| {
            trace_span!("a").in_scope(|| debug_span!("b").in_scope(|| ()));
            it.text()
        }),
        same("… and its parent is that of its children", FILTERED, filtered_between),
        same(
            "… without context activation",
            crate::Setup { activation: false, ..FILTERED },
            filtered_between,
        ),
        same("… as an explicit parent", FILTERED, |it| {
            let a = trace_span!("a");
            drop(debug_span!(parent: &a, "b"));
            drop(a);
            it.text()
        }),
        same("… as an explicit parent inside of another span", FILTERED, |it| {
            let removed = trace_span!("removed");
            debug_span!("a").in_scope(|| drop(debug_span!(parent: &removed, "b")));
            it.text()
        }),
    ]
}

fn filtered_between(it: &Bench) -> String {
    debug_span!("a").in_scope(|| trace_span!("removed").in_scope(|| drop(debug_span!("b"))));
    it.text()
}

fn by_context() -> Vec<Case> {
    vec![
        same("`Context::current()` inside of a span is its context", PLAIN, current),
        same("… without context activation", INACTIVE, current),
        same("`Context::current()` inside of nested spans, and behind them", PLAIN, |it| {
            let id = || Context::current().span().span_context().span_id();
            let mut ids = Vec::new();
            info_span!("a").in_scope(|| {
                ids.push(id());
                info_span!("b").in_scope(|| ids.push(id()));
                ids.push(id());
            });
            ids.push(id());
            let names = ids.iter().map(|id| {
                let spans = it.spans();
                let span = spans.iter().find(|span| span.span_id == id.to_bytes());
                span.map_or("none".to_owned(), |span| span.name.clone())
            });
            names.collect::<Vec<_>>().join(", ")
        }),
        same("The attached context of another process is the parent", PLAIN, attached),
        same("… without context activation", INACTIVE, attached),
        differs(
            "… but not if it is invalid",
            PLAIN,
            |it| {
                let context = Context::new().with_remote_span_context(SpanContext::empty_context());
                let guard = context.attach();
                info_span!("a").in_scope(|| drop(info_span!("b")));
                drop(guard);
                it.text()
            },
            INVALID,
        ),
        same("… but not of `parent: None`", PLAIN, |it| {
            let guard = remote_parent(9).attach();
            drop(info_span!(parent: None, "a"));
            drop(guard);
            it.text()
        }),
        same("A context attached inside of a span is the parent", PLAIN, attached_inside),
        same("… without context activation the entered span is", INACTIVE, attached_inside),
        same("Baggage of the attached context is current inside of a span", PLAIN, |it| {
            let baggage = [KeyValue::new("user", "Ann")];
            let guard = Context::current_with_baggage(baggage).attach();
            let found = info_span!("a")
                .in_scope(|| Context::current().baggage().get("user").map(|user| user.to_string()));
            drop(guard);
            format!("{found:?}; {}", it.text())
        }),
        same(
            "A span of the API inside of a `tracing` span, and one of `tracing` in that",
            PLAIN,
            api_span,
        ),
        same("… without context activation", INACTIVE, api_span),
        same("The current span of the API inside of a `tracing` span", PLAIN, |it| {
            let seen = info_span!("a").in_scope(|| {
                let context = Context::current();
                let span = context.span();
                let valid = span.span_context().is_valid();
                let remote = span.span_context().is_remote();
                format!("valid {valid}, remote {remote}, recording {}", span.is_recording())
            });
            format!("{seen}; {}", it.text())
        }),
        same("Changes by `Context::current().span()`", PLAIN, |it| {
            info_span!("a").in_scope(|| {
                let context = Context::current();
                let span = context.span();
                span.set_attribute(KeyValue::new("x", 1));
                span.add_event("event", vec![KeyValue::new("y", 2)]);
                span.update_name("renamed");
            });
            it.text()
        }),
        same("A context that is used after its span has ended", PLAIN, |it| {
            let context = info_span!("a").in_scope(Context::current);
            let recording = context.span().is_recording();
            context.span().set_attribute(KeyValue::new("late", 1));
            format!("recording {recording}; {}", it.text())
        }),
    ]
}

fn api_span(it: &Bench) -> String {
    info_span!("a").in_scope(|| {
        let guard = it.api_span("b").attach();
        drop(info_span!("c"));
        drop(guard);
    });
    it.text()
}

fn current(it: &Bench) -> String {
    let id = info_span!("a").in_scope(|| Context::current().span().span_context().span_id());
    let is_own = it.span("a").span_id == id.to_bytes();
    format!("{}; {}", if is_own { "its own" } else { "another" }, it.text())
}

fn attached(it: &Bench) -> String {
    let guard = remote_parent(9).attach();
    info_span!("a").in_scope(|| drop(info_span!("b")));
    drop(guard);
    it.text()
}

fn attached_inside(it: &Bench) -> String {
    info_span!("a").in_scope(|| {
        let guard = remote_parent(9).attach();
        drop(info_span!("b"));
        drop(guard);
    });
    it.text()
}

pub fn links() -> Vec<Case> {
    vec![
        same("`follows_from` an open span", PLAIN, |it| {
            let (a, b) = (info_span!("a"), info_span!("b"));
            b.follows_from(&a);
            drop((a, b));
            it.text()
        }),
        same("`follows_from` several spans, inside of the span", PLAIN, |it| {
            let (a, b, c) = (info_span!("a"), info_span!("b"), info_span!("c"));
            c.in_scope(|| {
                c.follows_from(&a);
                c.follows_from(&b);
            });
            drop((a, b, c));
            it.text()
        }),
        same("`follows_from` a closed span", PLAIN, |it| {
            let (a, b) = (info_span!("a"), info_span!("b"));
            let id = a.id();
            drop(a);
            b.follows_from(id);
            drop(b);
            it.text()
        }),
        same("`follows_from` a span that the filter removes", FILTERED, |it| {
            let (a, b) = (trace_span!("a"), debug_span!("b"));
            b.follows_from(&a);
            drop((a, b));
            it.text()
        }),
        same("A span that the filter removes `follows_from` another", FILTERED, |it| {
            let (a, b) = (debug_span!("a"), trace_span!("b"));
            b.follows_from(&a);
            drop((a, b));
            it.text()
        }),
        same("`add_link` before and after the start", PLAIN, |it| {
            let span = info_span!("a");
            it.add_link(&span, remote(7));
            span.in_scope(|| it.add_link(&span, remote(8)));
            it.add_link(&span, remote(9));
            drop(span);
            it.text()
        }),
        same("`add_link_with_attributes` before and after the start", PLAIN, |it| {
            let span = info_span!("a");
            it.add_link_with(&span, remote(7), vec![KeyValue::new("x", 1)]);
            span.in_scope(|| it.add_link_with(&span, remote(8), vec![KeyValue::new("y", "z")]));
            drop(span);
            it.text()
        }),
        same("A link to an invalid context", PLAIN, |it| {
            let span = info_span!("a");
            it.add_link(&span, SpanContext::empty_context());
            drop(span);
            it.text()
        }),
    ]
}

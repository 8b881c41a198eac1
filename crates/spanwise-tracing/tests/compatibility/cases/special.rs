//! The fields whose names begin with `otel.`.

use super::Case;
use crate::bench::PLAIN;
use crate::{differs, same};
use tracing::field::Empty;
use tracing::info_span;

const OK_IS_FINAL: &str = "The specification makes \"ok\" final; here it is before the start too.";

pub fn cases() -> Vec<Case> {
    let mut cases = at_creation();
    cases.extend(recorded_later());
    cases
}

fn at_creation() -> Vec<Case> {
    vec![
        same("`otel.name`", PLAIN, |it| {
            drop(info_span!("a", otel.name = "GET /cart", x = 1));
            it.text()
        }),
        same("`otel.name` by `%` and `?`", PLAIN, |it| {
            drop(info_span!("a", otel.name = %format_args!("GET {}", 7)));
            drop(info_span!("b", otel.name = ?"quoted"));
            it.text()
        }),
        same("`otel.name` that is a number or a bool stays an attribute", PLAIN, |it| {
            drop(info_span!("a", otel.name = 7));
            drop(info_span!("b", otel.name = true));
            it.text()
        }),
        same("`otel.kind` in every value", PLAIN, |it| {
            drop(info_span!("a", otel.kind = "server"));
            drop(info_span!("b", otel.kind = "client"));
            drop(info_span!("c", otel.kind = "producer"));
            drop(info_span!("d", otel.kind = "consumer"));
            drop(info_span!("e", otel.kind = "internal"));
            it.text()
        }),
        same("`otel.kind` in any case, by `%` and `?`", PLAIN, |it| {
            drop(info_span!("a", otel.kind = "SERVER"));
            drop(info_span!("b", otel.kind = "Client"));
            drop(info_span!("c", otel.kind = %"pRoDuCeR"));
            drop(info_span!("d", otel.kind = ?opentelemetry::trace::SpanKind::Consumer));
            it.text()
        }),
        same("`otel.kind` that is no kind", PLAIN, |it| {
            drop(info_span!("a", otel.kind = "servant"));
            drop(info_span!("b", otel.kind = 2));
            it.text()
        }),
        same("`otel.status_code` in any case", PLAIN, |it| {
            drop(info_span!("a", otel.status_code = "ok"));
            drop(info_span!("b", otel.status_code = "OK"));
            drop(info_span!("c", otel.status_code = "error"));
            drop(info_span!("d", otel.status_code = %"ERROR"));
            drop(info_span!("e", otel.status_code = "unset"));
            drop(info_span!("f", otel.status_code = "fine"));
            it.text()
        }),
        same("`otel.status_code` of another type", PLAIN, |it| {
            drop(info_span!("a", otel.status_code = 2));
            drop(info_span!("b", otel.status_code = ?opentelemetry::trace::Status::Ok));
            it.text()
        }),
        same("`otel.status_description`", PLAIN, |it| {
            drop(info_span!("a", otel.status_description = "no stock"));
            drop(info_span!("b", otel.status_description = ?"quoted"));
            it.text()
        }),
        same("`otel.status_description` behind `otel.status_code`", PLAIN, |it| {
            drop(info_span!("a", otel.status_code = "error", otel.status_description = "no stock"));
            it.text()
        }),
        differs(
            "`otel.status_description` in front of `otel.status_code`",
            PLAIN,
            |it| {
                drop(info_span!("a", otel.status_description = "why", otel.status_code = "error"));
                it.text()
            },
            "A status code removes no description, whatever the order.",
        ),
        differs(
            "`otel.status_code` \"ok\" and a description",
            PLAIN,
            |it| {
                drop(info_span!("a", otel.status_code = "ok", otel.status_description = "why"));
                it.text()
            },
            OK_IS_FINAL,
        ),
        same("Another name with `otel.` is an attribute", PLAIN, |it| {
            drop(info_span!("a", otel.other = "text", otel.number = 7));
            it.text()
        }),
        same("A name that begins like a special one is an attribute", PLAIN, |it| {
            drop(info_span!("a", otel.name.short = "text", otelkind = "server"));
            it.text()
        }),
    ]
}

fn recorded_later() -> Vec<Case> {
    vec![
        same("Special fields recorded before the span is entered", PLAIN, |it| {
            let span =
                info_span!("a", otel.name = Empty, otel.kind = Empty, otel.status_code = Empty);
            span.record("otel.name", "b").record("otel.kind", "client");
            span.record("otel.status_code", "OK");
            drop(span);
            it.text()
        }),
        differs(
            "`otel.name` and `otel.kind` recorded inside of the span",
            PLAIN,
            |it| {
                let span = info_span!("a", otel.name = Empty, otel.kind = Empty).entered();
                span.record("otel.name", "b").record("otel.kind", "client");
                drop(span);
                it.text()
            },
            "The route of a request is often known only inside of its span.",
        ),
        same("`otel.status_code` recorded inside of the span", PLAIN, |it| {
            let span = info_span!("a", otel.status_code = Empty).entered();
            span.record("otel.status_code", "error");
            drop(span);
            it.text()
        }),
        same("`otel.status_description` recorded inside of the span", PLAIN, |it| {
            let span = info_span!("a", otel.status_description = Empty).entered();
            span.record("otel.status_description", "no stock");
            drop(span);
            it.text()
        }),
        same("`otel.status_code` recorded behind a description, inside of the span", PLAIN, |it| {
            let span = info_span!("a", otel.status_description = "why", otel.status_code = Empty);
            span.in_scope(|| span.record("otel.status_code", "error"));
            drop(span);
            it.text()
        }),
        differs(
            "Two descriptions recorded inside of the span",
            PLAIN,
            |it| {
                let span = info_span!("a", otel.status_description = Empty).entered();
                span.record("otel.status_description", "second");
                span.record("otel.status_description", "first");
                drop(span);
                it.text()
            },
            "The last one counts (specification); the stock SDK compares them as text.",
        ),
        differs(
            "A status of \"error\" recorded behind one of \"ok\", before the span is entered",
            PLAIN,
            |it| {
                let span = info_span!("a", otel.status_code = "ok");
                span.record("otel.status_code", "error");
                drop(span);
                it.text()
            },
            OK_IS_FINAL,
        ),
        same("A status of \"ok\" recorded behind one of \"error\"", PLAIN, |it| {
            let span = info_span!("a", otel.status_code = "error").entered();
            span.record("otel.status_code", "ok");
            drop(span);
            it.text()
        }),
        same("A status of \"error\" recorded behind one of \"ok\"", PLAIN, |it| {
            let span = info_span!("a", otel.status_code = "ok").entered();
            span.record("otel.status_code", "error");
            drop(span);
            it.text()
        }),
    ]
}

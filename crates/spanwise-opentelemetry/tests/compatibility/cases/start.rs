//! Starting spans: parents, contexts and decisions.

use super::Case;
use super::text::{holds, list};
use crate::bench::Setup;
use crate::{differs, same};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, global};

/// A remote parent.
fn parent(flags: u8, trace_state: &str) -> Context {
    let trace_state = match trace_state {
        "" => TraceState::NONE,
        header => header.parse().unwrap(),
    };
    let (trace_id, span_id) = (TraceId::from(7_u128 << 100 | 7), SpanId::from(9));
    let context = SpanContext::new(trace_id, span_id, TraceFlags::new(flags), true, trace_state);
    Context::new().with_remote_span_context(context)
}

fn recording(is_recording: bool) -> String {
    holds(is_recording, "recording", "not recording")
}

pub fn cases() -> Vec<Case> {
    vec![
        same("A root has random, valid ids and no parent", Setup::AlwaysOn, |bench| {
            drop(bench.tracer().start("a"));
            drop(bench.tracer().start("b"));
            let spans = bench.spans();
            let valid = spans.iter().all(|it| it.trace_id != [0; 16] && it.span_id != [0; 8]);
            let different = spans[0].trace_id != spans[1].trace_id;
            let roots = spans.iter().all(|it| it.parent_span_id.is_empty());
            holds(valid && different && roots, "valid, different, roots", "wrong")
        }),
        same(
            "A child has its parent's trace id and its parent's span id",
            Setup::AlwaysOn,
            |bench| {
                drop(bench.tracer().start_with_context("child", &parent(1, "")));
                let span = bench.span();
                format!("trace {:x}, parent {:x}", span.trace_id[15], span.parent_span_id[7])
            },
        ),
        same("A remote and a local parent are marked in the flags", Setup::AlwaysOn, |bench| {
            drop(bench.tracer().start_with_context("child", &parent(1, "")));
            let local = Context::new().with_span(bench.tracer().start("parent"));
            drop(bench.tracer().start_with_context("local", &local));
            drop(local);
            let mut spans = bench.spans();
            spans.sort_by(|a, b| a.name.cmp(&b.name));
            list(spans.iter().map(|it| format!("{} {:#x}", it.name, it.flags & 0x300)))
        }),
        same("Without a given context the current one is the parent", Setup::AlwaysOn, |bench| {
            let attached = parent(1, "").attach();
            drop(bench.tracer().start("child"));
            drop(attached);
            format!("trace {:x}", bench.span().trace_id[15])
        }),
        same("A parent with an invalid id starts a new trace", Setup::AlwaysOn, |bench| {
            let invalid = SpanContext::new(
                TraceId::from(7),
                SpanId::INVALID,
                TraceFlags::SAMPLED,
                true,
                TraceState::NONE,
            );
            let cx = Context::new().with_remote_span_context(invalid);
            drop(bench.tracer().start_with_context("root", &cx));
            let span = bench.span();
            let new = span.trace_id[15] != 7 || span.trace_id[..15] != [0; 15];
            holds(new && span.parent_span_id.is_empty(), "a new root", "a child")
        }),
        differs(
            "The flags of a sampled root",
            Setup::AlwaysOn,
            |bench| {
                format!(
                    "{:#04x}",
                    bench.tracer().start("root").span_context().trace_flags().to_u8()
                )
            },
            "Our trace ids are random in all bits, and state it (W3C Trace Context level 2, flag `random`).",
        ),
        differs(
            "Unknown flags of a parent (0xf1)",
            Setup::AlwaysOn,
            |bench| {
                let span = bench.tracer().start_with_context("child", &parent(0xf1, ""));
                format!("{:#04x}", span.span_context().trace_flags().to_u8())
            },
            "W3C Trace Context: a vendor sets all flags that it does not know to zero.",
        ),
        same("The trace state of a parent is propagated", Setup::ParentBased, |bench| {
            let span = bench.tracer().start_with_context("child", &parent(1, "a=1,b=2"));
            let header = span.span_context().trace_state().header();
            drop(span);
            format!("{header}, exported {}", bench.span().trace_state)
        }),
        same("Children follow a parent that is not sampled", Setup::ParentBased, |bench| {
            let span = bench.tracer().start_with_context("child", &parent(0, "a=1"));
            let (context, is_recording) = (span.span_context().clone(), span.is_recording());
            drop(span);
            format!(
                "{}, trace {:x}, own span id {}, {} exported",
                recording(is_recording),
                context.trace_id().to_bytes()[15],
                context.span_id() != SpanId::from(9),
                bench.spans().len(),
            )
        }),
        differs(
            "The flags below a parent that is not sampled (0x02)",
            Setup::ParentBased,
            |bench| {
                let span = bench.tracer().start_with_context("child", &parent(2, ""));
                format!("{:#04x}", span.span_context().trace_flags().to_u8())
            },
            "A dropped span propagates the flag `random` of its parent; the stock SDK resets all flags.",
        ),
        same("A span that is not sampled has valid ids", Setup::AlwaysOff, |bench| {
            let span = bench.tracer().start("root");
            let valid = span.span_context().is_valid() && !span.span_context().is_sampled();
            holds(valid && !span.is_recording(), "valid, not sampled, not recording", "wrong")
        }),
        differs(
            "A span that the sampler records without sampling it is not exported",
            Setup::RecordOnly,
            |bench| {
                drop(bench.tracer().start("recorded"));
                format!("{} exported", bench.spans().len())
            },
            "The specification lets exporters receive sampled spans alone; the stock batch processor \
             does not filter. A native provider passes sampled spans alone to a stock processor.",
        ),
        differs(
            "… and is recording, for the processors",
            Setup::RecordOnly,
            |bench| recording(bench.tracer().start("recorded").is_recording()),
            "Without a processor of the user no code would read the span, so it is not recorded.",
        ),
        same("A context that suppresses telemetry makes no span", Setup::AlwaysOn, |bench| {
            let span = {
                let _suppressed = Context::enter_telemetry_suppressed_scope();
                bench.tracer().start("suppressed")
            };
            let valid = span.span_context().is_valid();
            let seen = recording(span.is_recording());
            drop(span);
            format!("{seen}, valid {valid}, {} exported", bench.spans().len())
        }),
        same("`in_span` makes the span current, and ends it", Setup::AlwaysOn, |bench| {
            let inside = bench.tracer().in_span("in span", |cx| {
                let current = Context::current().span().span_context().clone();
                drop(bench.tracer().start("child"));
                current == *cx.span().span_context()
            });
            let spans = bench.spans();
            format!("current {inside}: {}", list(spans.iter().map(|it| it.name.clone())))
        }),
        same("The kind, and the default kind", Setup::AlwaysOn, |bench| {
            let tracer = bench.tracer();
            drop(tracer.span_builder("a").with_kind(SpanKind::Consumer).start(&tracer));
            drop(tracer.start("b"));
            list(bench.spans().iter().map(|it| it.kind().as_str_name().to_owned()))
        }),
        same("The global provider", Setup::AlwaysOn, |bench| {
            bench.install();
            let mut span = global::tracer("global").start("boxed");
            span.set_attribute(opentelemetry::KeyValue::new("key", 1));
            span.end();
            drop(span);
            global::tracer("global").in_span("in span", |cx| cx.span().update_name("renamed"));
            list(bench.spans().iter().map(|it| it.name.clone()))
        }),
    ]
}

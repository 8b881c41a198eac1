//! Ends of spans, and the flush and the shutdown of a provider.

use super::Case;
use super::text::{attributes, holds, list};
use crate::bench::{LONG, Setup};
use crate::{differs, same};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use std::time::{Duration, Instant, UNIX_EPOCH};

pub fn end() -> Vec<Case> {
    vec![
        same("A span that is ended twice", Setup::AlwaysOn, |bench| {
            let mut span = bench.tracer().start("span");
            span.end_with_timestamp(UNIX_EPOCH + Duration::from_secs(4_000_000_000));
            span.end();
            drop(span);
            let span = bench.span();
            format!("once, ended at {}", span.end_time_unix_nano / 1_000_000_000)
        }),
        same("A span that is dropped", Setup::AlwaysOn, |bench| {
            drop(bench.tracer().start("span"));
            let span = bench.span();
            holds(span.end_time_unix_nano >= span.start_time_unix_nano, "ended", "not ended")
        }),
        same("A span that the context drops", Setup::AlwaysOn, |bench| {
            let cx = Context::new().with_span(bench.tracer().start("span"));
            let clone = cx.clone();
            drop(cx);
            let open = bench.spans().len();
            drop(clone);
            format!("{open} with a clone left, then {}", bench.spans().len())
        }),
        same("Calls after the end", Setup::AlwaysOn, |bench| {
            let mut span = bench.tracer().start("span");
            span.set_attribute(KeyValue::new("a", 1));
            span.end();
            let recording = span.is_recording();
            let valid = span.span_context().is_valid();
            span.set_attribute(KeyValue::new("b", 2));
            span.add_event("event", vec![]);
            span.add_link(SpanContext::NONE, vec![]);
            span.set_status(Status::Ok);
            span.update_name("renamed");
            span.record_error(&std::fmt::Error);
            drop(span);
            let span = bench.span();
            format!(
                "recording {recording}, context valid {valid}: {} {} {} {}",
                span.name,
                attributes(&span.attributes),
                span.events.len(),
                span.links.len(),
            )
        }),
        same("A span that ends on another thread", Setup::AlwaysOn, |bench| {
            let span = bench.tracer().start("span");
            std::thread::spawn(move || drop(span)).join().unwrap();
            format!("{} exported", bench.spans().len())
        }),
    ]
}

pub fn provider() -> Vec<Case> {
    vec![
        same("`force_flush` exports all spans that ended before it", Setup::AlwaysOn, |bench| {
            for _ in 0..1500 {
                drop(bench.tracer().start("span"));
            }
            let done = bench.flush();
            format!("done {done}, {} exported", bench.exported().len())
        }),
        same("`force_flush` without spans", Setup::AlwaysOn, |bench| {
            format!("done {}", bench.flush())
        }),
        same("`shutdown` exports all spans that ended before it", Setup::AlwaysOn, |bench| {
            for _ in 0..1500 {
                drop(bench.tracer().start("span"));
            }
            let done = bench.shutdown();
            format!("done {done}, {} exported", bench.exported().len())
        }),
        same("A second `shutdown` is an error", Setup::AlwaysOn, |bench| {
            let (first, second) = (bench.shutdown(), bench.shutdown());
            format!("{} then {}", holds(first, "Ok", "Err"), holds(second, "Ok", "Err"))
        }),
        same("A span that starts after the shutdown", Setup::AlwaysOn, |bench| {
            let tracer = bench.tracer();
            bench.shutdown();
            let mut recording = Vec::new();
            for tracer in [tracer, bench.tracer()] {
                recording.push(tracer.start("late").is_recording().to_string());
            }
            format!("recording {}, {} exported", list(recording), bench.exported().len())
        }),
        differs(
            "The context of such a span below a parent",
            Setup::AlwaysOn,
            |bench| {
                bench.shutdown();
                let (trace_id, span_id) = (TraceId::from(7), SpanId::from(9));
                let flags = TraceFlags::SAMPLED;
                let parent = SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE);
                let cx = Context::new().with_remote_span_context(parent.clone());
                let span = bench.tracer().start_with_context("late", &cx);
                holds(*span.span_context() == parent, "the parent's", "invalid")
            },
            "The API without an SDK propagates the parent's context, so that the trace passes through.",
        ),
        same("A span that is open at the shutdown, and ends later", Setup::AlwaysOn, |bench| {
            let mut span = bench.tracer().start("open");
            bench.shutdown();
            let recording = span.is_recording();
            span.end();
            drop(span);
            format!("recording {recording}, {} exported", bench.exported().len())
        }),
        same("The drop of the provider exports all spans that ended", Setup::AlwaysOn, |bench| {
            drop(bench.tracer().start("span"));
            bench.drop_provider();
            let patience = Instant::now() + LONG;
            while bench.exported().is_empty() && Instant::now() < patience {
                std::thread::sleep(Duration::from_millis(1));
            }
            format!("{} exported", bench.exported().len())
        }),
        same("An exporter that starts spans causes no loop", Setup::ReentrantExporter, |bench| {
            bench.install();
            drop(bench.tracer().start("span"));
            let flushed = (bench.flush(), bench.flush());
            format!("{flushed:?}, {} exported", bench.exported().len())
        }),
        differs(
            "`on_start` of a stock processor",
            Setup::StockStartHook,
            |bench| {
                drop(bench.tracer().start("span"));
                format!("{} calls", bench.starts())
            },
            "It takes a span type that only the stock SDK can make; the native `SpanProcessor` has both \
             `on_start` and `on_end`.",
        ),
    ]
}

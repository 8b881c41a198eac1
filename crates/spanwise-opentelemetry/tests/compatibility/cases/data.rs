//! The data of a span: attributes, events, links, status, scope, and their limits.

use super::Case;
use super::text::{attributes, holds, list, status};
use crate::bench::{Bench, Setup};
use crate::{differs, same};
use opentelemetry::trace::{
    Event, Link, Span as _, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn linked(number: u64) -> SpanContext {
    let trace_id = TraceId::from(u128::from(number));
    let state: TraceState = "a=1".parse().unwrap();
    SpanContext::new(trace_id, SpanId::from(number), TraceFlags::SAMPLED, true, state)
}

/// Sets the status twice.
fn statuses(bench: &Bench, first: Status, second: Status) -> String {
    let mut span = bench.tracer().start("span");
    span.set_status(first);
    span.set_status(second);
    drop(span);
    status(&bench.span())
}

fn number(key: &'static str, value: i64) -> KeyValue {
    KeyValue::new(key, value)
}

const LATER_WINS: &str =
    "The specification requires unique keys, and that the last value of a key wins.";

pub fn cases() -> Vec<Case> {
    let mut cases = attribute_cases();
    cases.extend(event_and_link_cases());
    cases.extend(other_cases());
    cases
}

fn attribute_cases() -> Vec<Case> {
    vec![
        same("Attributes of the builder and of the span, in order", Setup::AlwaysOn, |bench| {
            let tracer = bench.tracer();
            let mut span =
                tracer.span_builder("span").with_attributes([number("a", 1)]).start(&tracer);
            span.set_attribute(KeyValue::new("b", true));
            span.set_attributes([KeyValue::new("c", 0.5), KeyValue::new("d", "text")]);
            drop(span);
            attributes(&bench.span().attributes)
        }),
        same("Arrays", Setup::AlwaysOn, |bench| {
            let mut span = bench.tracer().start("span");
            let texts = vec![StringValue::from("x"), StringValue::from("y")];
            span.set_attribute(KeyValue::new("texts", Value::Array(Array::String(texts))));
            span.set_attribute(KeyValue::new("numbers", Value::Array(Array::I64(vec![1, 2]))));
            drop(span);
            attributes(&bench.span().attributes)
        }),
        differs(
            "A key that is set twice",
            Setup::AlwaysOn,
            |bench| {
                let mut span = bench.tracer().start("span");
                span.set_attributes([number("key", 1), number("other", 2), number("key", 3)]);
                drop(span);
                attributes(&bench.span().attributes)
            },
            LATER_WINS,
        ),
        differs(
            "A key that occurs twice in an event",
            Setup::AlwaysOn,
            |bench| {
                let mut span = bench.tracer().start("span");
                span.add_event("event", vec![number("key", 1), number("key", 2)]);
                drop(span);
                attributes(&bench.span().events[0].attributes)
            },
            LATER_WINS,
        ),
        differs(
            "An empty key",
            Setup::AlwaysOn,
            |bench| {
                let mut span = bench.tracer().start("span");
                span.set_attribute(number("", 1));
                drop(span);
                let span = bench.span();
                format!(
                    "{}, {} dropped",
                    attributes(&span.attributes),
                    span.dropped_attributes_count
                )
            },
            "The specification requires a key that is not empty; the span counts the attribute as dropped.",
        ),
        same("More attributes than the limit of two", Setup::Limits, |bench| {
            let tracer = bench.tracer();
            let given = [number("a", 1), number("b", 2), number("c", 3)];
            let mut span = tracer.span_builder("span").with_attributes(given).start(&tracer);
            span.set_attribute(number("d", 4));
            drop(span);
            let span = bench.span();
            format!("{}, {} dropped", attributes(&span.attributes), span.dropped_attributes_count)
        }),
        differs(
            "A new value for a key at the limit of two",
            Setup::Limits,
            |bench| {
                let mut span = bench.tracer().start("span");
                span.set_attributes([number("a", 1), number("b", 2), number("a", 3)]);
                drop(span);
                let span = bench.span();
                format!(
                    "{}, {} dropped",
                    attributes(&span.attributes),
                    span.dropped_attributes_count
                )
            },
            LATER_WINS,
        ),
        same("130 attributes with the default limit", Setup::AlwaysOn, |bench| {
            let mut span = bench.tracer().start("span");
            span.set_attributes((0..130).map(|it| KeyValue::new(format!("key {it}"), it)));
            drop(span);
            let span = bench.span();
            format!("{}, {} dropped", span.attributes.len(), span.dropped_attributes_count)
        }),
        differs(
            "A value of 70,000 characters with the default limit",
            Setup::AlwaysOn,
            |bench| {
                let mut span = bench.tracer().start("span");
                span.set_attribute(KeyValue::new("key", "x".repeat(70_000)));
                drop(span);
                attributes(&bench.span().attributes)
            },
            "The stock SDK has no limit of the length; ours bounds memory, and `with_span_limits` sets it.",
        ),
    ]
}

fn event_and_link_cases() -> Vec<Case> {
    vec![
        same("Events of the builder and of the span, with their times", Setup::AlwaysOn, |bench| {
            let tracer = bench.tracer();
            let given = Event::new("first", at(1), vec![number("a", 1)], 0);
            let mut span = tracer
                .span_builder("span")
                .with_start_time(at(0))
                .with_events(vec![given])
                .start(&tracer);
            span.add_event_with_timestamp("second", at(2), vec![]);
            span.end_with_timestamp(at(3));
            let seconds = |nanos: u64| nanos / 1_000_000_000 - 1_700_000_000;
            let event = |it: &opentelemetry_proto::tonic::trace::v1::span::Event| {
                format!(
                    "{} at {} ({})",
                    it.name,
                    seconds(it.time_unix_nano),
                    attributes(&it.attributes)
                )
            };
            list(bench.span().events.iter().map(event))
        }),
        same("An event before the start of its span", Setup::AlwaysOn, |bench| {
            let tracer = bench.tracer();
            let mut span = tracer.span_builder("span").with_start_time(at(10)).start(&tracer);
            span.add_event_with_timestamp("event", at(4), vec![]);
            span.end_with_timestamp(at(11));
            let span = bench.span();
            let before = span.start_time_unix_nano - span.events[0].time_unix_nano;
            format!("{} s before", before / 1_000_000_000)
        }),
        same(
            "More events than the limit of two, each with one attribute",
            Setup::Limits,
            |bench| {
                let mut span = bench.tracer().start("span");
                for _ in 0..4 {
                    span.add_event("event", vec![number("a", 1), number("b", 2)]);
                }
                drop(span);
                let span = bench.span();
                let event = &span.events[0];
                format!(
                    "{} and {} dropped; {} and {} dropped",
                    span.events.len(),
                    span.dropped_events_count,
                    attributes(&event.attributes),
                    event.dropped_attributes_count,
                )
            },
        ),
        same("`record_error` adds an event", Setup::AlwaysOn, |bench| {
            let mut span = bench.tracer().start("span");
            span.record_error(&std::fmt::Error);
            drop(span);
            let span = bench.span();
            let event = &span.events[0];
            let message = event.attributes[0].value.is_some();
            format!("{} with {} {message}; {}", event.name, event.attributes[0].key, status(&span))
        }),
        same("Links of the builder and of the span", Setup::AlwaysOn, |bench| {
            let tracer = bench.tracer();
            let given = Link::new(linked(1), vec![number("a", 1)], 0);
            let mut span = tracer.span_builder("span").with_links(vec![given]).start(&tracer);
            span.add_link(linked(2), vec![]);
            drop(span);
            let link = |it: &opentelemetry_proto::tonic::trace::v1::span::Link| {
                format!("to {} {} ({})", it.span_id[7], it.trace_state, attributes(&it.attributes))
            };
            list(bench.span().links.iter().map(link))
        }),
        same("More links than the limit of two, each with one attribute", Setup::Limits, |bench| {
            let mut span = bench.tracer().start("span");
            for it in 1..5 {
                span.add_link(linked(it), vec![number("a", 1), number("b", 2)]);
            }
            drop(span);
            let span = bench.span();
            let link = &span.links[0];
            format!(
                "{} and {} dropped; {} and {} dropped",
                span.links.len(),
                span.dropped_links_count,
                attributes(&link.attributes),
                link.dropped_attributes_count,
            )
        }),
    ]
}

fn other_cases() -> Vec<Case> {
    vec![
        same("Ok after Error", Setup::AlwaysOn, |bench| {
            statuses(bench, Status::error("first"), Status::Ok)
        }),
        same("Error after Ok", Setup::AlwaysOn, |bench| {
            statuses(bench, Status::Ok, Status::error("second"))
        }),
        same("Unset after Error", Setup::AlwaysOn, |bench| {
            statuses(bench, Status::error("first"), Status::Unset)
        }),
        same("Error b after Error a", Setup::AlwaysOn, |bench| {
            statuses(bench, Status::error("a"), Status::error("b"))
        }),
        differs(
            "Error a after Error b",
            Setup::AlwaysOn,
            |bench| statuses(bench, Status::error("b"), Status::error("a")),
            "The last of two errors wins, as the API documents; the stock SDK compares the descriptions.",
        ),
        same("`update_name`", Setup::AlwaysOn, |bench| {
            let mut span = bench.tracer().start("before");
            span.set_attribute(number("a", 1));
            span.update_name("after");
            drop(span);
            let span = bench.span();
            format!("{} ({})", span.name, attributes(&span.attributes))
        }),
        same("An empty name", Setup::AlwaysOn, |bench| {
            drop(bench.tracer().start(""));
            format!("{:?}", bench.span().name)
        }),
        same("The instrumentation scope", Setup::AlwaysOn, |bench| {
            let scope = InstrumentationScope::builder("scope")
                .with_version("1.2")
                .with_schema_url("https://example.com")
                .with_attributes([number("a", 1)])
                .build();
            drop(bench.provider().tracer_with_scope(scope).start("span"));
            bench.flush();
            let groups = bench.groups();
            let group = &groups[0].scope_spans[0];
            let scope = group.scope.clone().unwrap();
            let (name, version) = (scope.name, scope.version);
            format!("{name} {version} {} {}", group.schema_url, attributes(&scope.attributes))
        }),
        same(
            "`set_resource`: the exporter has the provider's resource",
            Setup::AlwaysOn,
            |bench| {
                drop(bench.tracer().start("span"));
                bench.flush();
                let groups = bench.groups();
                let resource = groups[0].resource.clone().unwrap_or_default();
                let named = resource.attributes.iter().find(|it| it.key == "service.name");
                attributes(named.map(std::slice::from_ref).unwrap_or_default())
            },
        ),
        same("Explicit start and end times", Setup::AlwaysOn, |bench| {
            let tracer = bench.tracer();
            let mut span = tracer.span_builder("span").with_start_time(at(5)).start(&tracer);
            span.end_with_timestamp(at(8));
            let span = bench.span();
            let exact = span.start_time_unix_nano == 1_700_000_005_000_000_000;
            let took = span.end_time_unix_nano - span.start_time_unix_nano;
            format!("exact {exact}, {} s", took / 1_000_000_000)
        }),
        same("A time before 1970", Setup::AlwaysOn, |bench| {
            let tracer = bench.tracer();
            let before = UNIX_EPOCH - Duration::from_secs(1);
            let mut span = tracer.span_builder("span").with_start_time(before).start(&tracer);
            span.end_with_timestamp(at(0));
            bench.span().start_time_unix_nano.to_string()
        }),
        differs(
            "An end before the start",
            Setup::AlwaysOn,
            |bench| {
                let tracer = bench.tracer();
                let mut span = tracer.span_builder("span").with_start_time(at(8)).start(&tracer);
                span.end_with_timestamp(at(5));
                let span = bench.span();
                let before = span.end_time_unix_nano < span.start_time_unix_nano;
                holds(before, "exported as it is", "the end becomes the start")
            },
            "A negative duration breaks receivers; the ledger counts the span as `end_before_start`.",
        ),
    ]
}

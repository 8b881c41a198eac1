//! Recording: attributes, status, limits.

use crate::support::bench;
use crate::{one, remote};
use opentelemetry::trace::{Span as _, Status, Tracer as _};
use opentelemetry::{KeyValue, Value as ApiValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_sdk::{Counter, SpanLimits};
use spanwise_testkit::{attributes_map, spans};

#[test]
fn the_last_value_of_a_key_wins() {
    let (span, _) = one(|tracer| {
        let mut span = tracer
            .span_builder("dup")
            .with_attributes([
                KeyValue::new("a", 1),
                KeyValue::new("b", "x"),
                KeyValue::new("a", 2),
            ])
            .start(tracer);
        span.set_attribute(KeyValue::new("b", vec![1, 2].into_iter().collect::<IntArray>().0));
        span.set_attribute(KeyValue::new("c", true));
        span.set_attribute(KeyValue::new("a", "third"));
    });
    assert_eq!(span.attributes.len(), 3);
    assert!(text(&span, "a").contains("third"));
    assert!(text(&span, "b").contains("ArrayValue"));
    assert_eq!(span.dropped_attributes_count, 0);
}

struct IntArray(ApiValue);

impl FromIterator<i64> for IntArray {
    fn from_iter<I: IntoIterator<Item = i64>>(items: I) -> Self {
        Self(ApiValue::Array(items.into_iter().collect::<Vec<_>>().into()))
    }
}

#[test]
fn ok_precedes_error_which_precedes_unset() {
    let error = |text: &'static str| Status::error(text);
    for (sets, code, message) in [
        (vec![], 0, ""),
        (vec![Status::Unset], 0, ""),
        (vec![error("a")], 2, "a"),
        (vec![error("b"), error("a")], 2, "a"),
        (vec![error("a"), Status::Unset], 2, "a"),
        (vec![error("a"), Status::Ok], 1, ""),
        (vec![Status::Ok, error("a")], 1, ""),
        (vec![Status::Ok, Status::Unset], 1, ""),
    ] {
        let (span, _) = one(|tracer| {
            let mut span = tracer.start("status");
            sets.iter().for_each(|status| span.set_status(status.clone()));
        });
        let status = span.status.unwrap_or_default();
        assert_eq!((status.code, status.message.as_str()), (code, message), "{sets:?}");
    }
}

#[test]
fn limits_drop_and_count() {
    let mut limits = SpanLimits::default();
    (limits.attributes, limits.events, limits.links) = (2, 1, 1);
    (limits.attributes_per_event, limits.attributes_per_link) = (1, 0);
    limits.value_chars = 3;
    let bench = bench(|builder| builder.with_span_limits(limits));
    let mut span = bench.spanwise.tracer("rules").start("limited");
    for key in ["a", "b", "c", "d"] {
        span.set_attribute(KeyValue::new(key, "häuser"));
    }
    // A present key can change its value when the span has no space for another.
    span.set_attribute(KeyValue::new("a", 7));
    span.set_attribute(KeyValue::new("", "no key"));
    for _ in 0..3 {
        span.add_event("event", vec![KeyValue::new("x", 1), KeyValue::new("y", 2)]);
        span.add_link(remote(1, ""), vec![KeyValue::new("x", 1)]);
    }
    drop(span);
    let request = bench.finish();
    let span = spans(&request).next().unwrap();
    assert!(text(span, "a").contains("IntValue(7)"));
    assert!(text(span, "b").contains("\"häu\""));
    let (event, link) = (&span.events[0], &span.links[0]);
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (2, 3));
    assert_eq!((span.events.len(), span.dropped_events_count), (1, 2));
    assert_eq!((event.attributes.len(), event.dropped_attributes_count), (1, 1));
    assert_eq!((span.links.len(), span.dropped_links_count), (1, 2));
    assert_eq!((link.attributes.len(), link.dropped_attributes_count), (0, 1));
    let ledger = bench.spanwise.ledger();
    assert_eq!(ledger.counter(Counter::DroppedAttributes), 5);
    assert_eq!(ledger.counter(Counter::DroppedEvents), 2);
    assert_eq!(ledger.counter(Counter::DroppedLinks), 2);
    assert_eq!(ledger.counter(Counter::TruncatedValues), 2);
}

#[test]
fn a_huge_value_is_truncated() {
    let (span, bench) = one(|tracer| {
        let huge = "ä".repeat(50 << 20);
        tracer.start("huge").set_attribute(KeyValue::new("text", huge));
    });
    let retained = text(&span, "text").matches('ä').count();
    assert_eq!(retained, SpanLimits::default().value_chars);
    assert_eq!(bench.spanwise.ledger().counter(Counter::TruncatedValues), 1);
}

#[test]
fn an_endless_span_stays_bounded() {
    let (span, _) = one(|tracer| {
        let mut span = tracer.start("endless");
        for i in 0..200_000i64 {
            span.add_event("tick", vec![KeyValue::new("n", i)]);
            span.set_attribute(KeyValue::new(format!("key {i}"), i));
        }
    });
    assert_eq!((span.events.len(), span.dropped_events_count), (128, 200_000 - 128));
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (128, 200_000 - 128));
}

fn text(span: &Span, key: &str) -> String {
    format!("{:?}", attributes_map(&span.attributes)[key])
}

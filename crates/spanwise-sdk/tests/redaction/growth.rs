//! Spans that masks and hashes make longer than the limit of their bytes.

use crate::support::bench;
use spanwise_redact::{Action, Redactor, Rule};
use spanwise_sdk::{Counter, SpanKind, SpanLimits, SpanwiseBuilder};

/// Hashes of every letter: 32 letters for one.
fn hashing(builder: SpanwiseBuilder, span_bytes: usize) -> SpanwiseBuilder {
    let rule = Rule::new(Action::Hash).with_value_pattern("[a-z]");
    let redactor = Redactor::builder().with_rule(rule).with_hash_key(*b"0123456789abcdef");
    builder
        .with_redaction(redactor.build().unwrap())
        .with_span_limits(SpanLimits::default().with_span_bytes(span_bytes))
}

#[test]
fn values_beyond_the_limit_are_dropped_and_counted_and_the_span_stays() {
    let bench = bench(|builder| hashing(builder, 1024));
    let mut span = bench.spanwise.tracer("shop").root("GET", SpanKind::Server);
    span.attribute("first", "abc").attribute("long", "x".repeat(40)).attribute("last", "abc");
    span.event("hit", &[("n", "x".repeat(40).as_str().into())]).error("no");
    span.finish();
    let request = bench.finish();
    let span = spanwise_testkit::spans(&request).next().unwrap();
    let keys: Vec<_> = span.attributes.iter().map(|it| &*it.key).collect();
    assert_eq!(keys, ["first", "last"]);
    assert_eq!((span.dropped_attributes_count, span.dropped_events_count), (1, 1));
    assert_eq!(span.status.as_ref().unwrap().message.len(), 64);
    let ledger = bench.spanwise.ledger();
    assert_eq!(ledger.counter(Counter::DroppedAttributes), 1);
    assert_eq!(ledger.counter(Counter::DroppedEvents), 1);
}

/// A name and a message of the limits' lengths become 32 times as long.
#[test]
fn a_name_and_a_message_beyond_the_limit_are_masked() {
    let bench = bench(|builder| hashing(builder, 64 * 1024));
    let mut span = bench.spanwise.tracer("shop").root(&"n".repeat(4_000), SpanKind::Server);
    span.attribute("http.route", "/").error(&"m".repeat(16_000));
    span.finish();
    let request = bench.finish();
    let span = spanwise_testkit::spans(&request).next().unwrap();
    assert_eq!(span.name, "****");
    let status = span.status.as_ref().unwrap();
    assert_eq!((status.code, &*status.message), (2, ""));
    assert_eq!(span.attributes.len(), 1);
}

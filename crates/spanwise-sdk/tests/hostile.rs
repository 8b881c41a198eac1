//! Values that own memory, panic or lie. Run under the address sanitizer by `cargo xtask sanitize`:
//! what is freed twice, or used after it, ends the run there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry::{Array, Key, KeyValue, StringValue, Value as ApiValue};
use spanwise_sdk::Tracer;
use spanwise_sdk::sampling::Sampler;
use std::sync::Arc;
use support::{Bench, LONG, bench, settled};

/// Every kind of text that an attribute can hold, and what counts its owners.
fn every_kind(owned: &Arc<str>) -> Vec<ApiValue> {
    let texts =
        || vec![StringValue::from(owned.clone()), "static".into(), owned.to_string().into()];
    vec![
        ApiValue::from(owned.clone()),
        ApiValue::from(owned.to_string()),
        ApiValue::from("static"),
        ApiValue::from(String::new()),
        ApiValue::from(7),
        ApiValue::from(0.5),
        ApiValue::from(true),
        ApiValue::Array(Array::String(texts())),
        ApiValue::Array(Array::I64(vec![1, 2, 3])),
    ]
}

/// Sets everything in every way the API has.
fn set_all(tracer: &Tracer, owned: &Arc<str>) {
    let pairs = || {
        every_kind(owned)
            .into_iter()
            .zip(0..)
            .map(|(value, at)| KeyValue::new(Key::from(format!("key.{at}")), value))
    };
    let mut span = tracer.start("plain");
    for pair in pairs() {
        span.set_attribute(pair);
    }
    // The same keys once more: old values are overwritten.
    span.set_attributes(pairs());
    span.add_event("event", pairs().collect());
    span.end();
    // After the end they are only dropped.
    span.set_attributes(pairs());
    let mut span = tracer.span_builder("built").with_attributes(pairs()).start(tracer);
    // Too long for the straight way, and keys that are shared.
    let key: Arc<str> = "key".repeat(100).into();
    span.set_attribute(KeyValue::new(Key::from(key.clone()), owned.clone()));
    span.set_attribute(KeyValue::new(Key::from(key.clone()), "x".repeat(100_000)));
    drop(span);
    assert_eq!(Arc::strong_count(&key), 1);
}

#[test]
fn what_an_attribute_owns_is_dropped_once() {
    for sampler in [Sampler::always_on(), Sampler::always_off()] {
        let Bench { spanwise, receiver, .. } = bench(|builder| builder.with_sampler(sampler));
        let tracer = spanwise.tracer("owners");
        let owned: Arc<str> = "shared by many".into();
        for _ in 0..3 {
            set_all(&tracer, &owned);
            assert_eq!(Arc::strong_count(&owned), 1, "neither kept nor dropped twice");
        }
        settled(&spanwise.shutdown(LONG).unwrap().ledger);
        drop(receiver);
    }
}

//! Attribute values that own memory, panic or return wrong lengths. `cargo xtask sanitize` runs these
//! tests under the address sanitizer, which ends the run at a double free or a use after free.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use bytes::Bytes;
use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry::{Array, Key, KeyValue, StringValue, Value as ApiValue};
use spanwise_sdk::sampling::{
    ComposableSampler, Sampler, SamplingIntent, SamplingParameters, Tick,
};
use spanwise_sdk::{DropReason, EncodeValue, SpanKind, Tracer};
use spanwise_testkit::{PanicOnDrop, spans};
use spanwise_transport::Outcome;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use support::{Bench, LONG, assert_idle, bench};

/// A value of each type of the API, and of each kind of owner of its text.
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

/// Sets these values through every method of the API.
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
    // The same keys again: each value replaces the one before.
    span.set_attributes(pairs());
    span.add_event("event", pairs().collect());
    span.end();
    // After the end the span drops them.
    span.set_attributes(pairs());
    let mut span = tracer.span_builder("built").with_attributes(pairs()).start(tracer);
    // Values longer than the limit, and a key with shared ownership.
    let key: Arc<str> = "key".repeat(100).into();
    span.set_attribute(KeyValue::new(Key::from(key.clone()), owned.clone()));
    span.set_attribute(KeyValue::new(Key::from(key.clone()), "x".repeat(100_000)));
    drop(span);
    assert_eq!(Arc::strong_count(&key), 1);
}

#[test]
fn the_memory_of_an_attribute_is_freed_once() {
    for sampler in [Sampler::always_on(), Sampler::always_off()] {
        let Bench { spanwise, receiver, .. } = bench(|builder| builder.with_sampler(sampler));
        let tracer = spanwise.tracer("owners");
        let owned: Arc<str> = "shared by many".into();
        for _ in 0..3 {
            set_all(&tracer, &owned);
            assert_eq!(Arc::strong_count(&owned), 1, "no owner leaks, and none is dropped twice");
        }
        assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
        drop(receiver);
    }
}

/// A value that owns memory, returns a wrong length, and calls `act` with the buffer; its drop may
/// panic.
struct HostileValue {
    encoded_len: usize,
    act: fn(&mut Vec<u8>),
    memory: Arc<()>,
    panics_on_drop: bool,
}

impl EncodeValue for HostileValue {
    fn encoded_len(&self, _: usize) -> usize {
        self.encoded_len
    }

    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        (self.act)(out);
    }
}

impl Drop for HostileValue {
    fn drop(&mut self) {
        assert!(Arc::strong_count(&self.memory) > 1);
        if self.panics_on_drop && !std::thread::panicking() {
            resume_unwind(Box::new(PanicOnDrop));
        }
    }
}

#[test]
fn a_hostile_value_loses_its_attribute_alone() {
    let Bench { spanwise, receiver, collected } = bench(|builder| builder);
    let tracer = spanwise.tracer("hostile");
    let memory = Arc::new(());
    let acts: [fn(&mut Vec<u8>); 6] = [
        |out| out.clear(),
        |out| *out = vec![0xff; 100],
        |out| drop(std::mem::take(out)),
        |out| out.extend([0x0a; 9]),
        |out| out.fill(0xff),
        |out| {
            out.extend([0x0a; 5000]);
            resume_unwind(Box::new(PanicOnDrop));
        },
    ];
    let mut sent = 0;
    for encoded_len in [1, 9, 5000, usize::MAX] {
        for act in acts {
            for panics_on_drop in [false, true] {
                let hostile =
                    || HostileValue { encoded_len, act, memory: memory.clone(), panics_on_drop };
                let mut span = tracer.root("before", SpanKind::Internal);
                span.attribute("before", 1);
                let survive = |act: &mut dyn FnMut()| {
                    if let Err(payload) = catch_unwind(AssertUnwindSafe(act)) {
                        std::mem::forget(payload);
                    }
                };
                survive(&mut || _ = span.attribute("hostile", hostile()));
                survive(&mut || _ = span.attribute("before", hostile()));
                span.rename("after").attribute("after", 2);
                span.finish();
                sent += 1;
            }
        }
    }
    assert_eq!(Arc::strong_count(&memory), 1, "each value was dropped once");
    let bench = Bench { spanwise, receiver, collected };
    let request = bench.finish();
    assert_eq!(spans(&request).count(), sent);
    for span in spans(&request) {
        let keys: Vec<_> = span.attributes.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!((span.name.as_str(), keys), ("after", vec!["before", "after"]));
    }
}

/// A sampler whose tick panics, with a payload whose drop panics, and whose description has control
/// characters.
#[derive(Debug)]
struct PanickingSampler;

impl ComposableSampler for PanickingSampler {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        SamplingIntent::keep_without_threshold()
    }

    fn tick(&self, _: &Tick) {
        resume_unwind(Box::new(PanicOnDrop));
    }

    fn description(&self) -> String {
        "\0\u{1b}[2J".to_owned()
    }
}

#[test]
fn every_span_has_an_outcome_when_sampler_sink_and_handler_panic() {
    let sink = |_: Bytes| {
        if SENT.fetch_add(1, SeqCst).is_multiple_of(2) {
            resume_unwind(Box::new(PanicOnDrop));
        }
        async {
            resume_unwind(Box::new(PanicOnDrop));
            #[expect(unreachable_code, reason = "gives the type")]
            Outcome::Accepted { rejected: 0, message: None }
        }
    };
    static SENT: AtomicUsize = AtomicUsize::new(0);
    let spanwise = support::builder()
        .with_sampler(PanickingSampler)
        .with_diagnostics(|_| resume_unwind(Box::new(PanicOnDrop)))
        .with_sink(sink)
        .build()
        .unwrap();
    let tracer = spanwise.tracer("panics");
    for _ in 0..6 {
        for _ in 0..10 {
            drop(tracer.root("span", SpanKind::Internal));
        }
        spanwise.force_flush_timeout(LONG).unwrap();
    }
    let report = spanwise.shutdown_timeout(LONG).unwrap();
    assert_idle(&report.ledger);
    assert_eq!(report.ledger.created, 60);
    assert_eq!(report.ledger.dropped(DropReason::ExporterPanic), 60);
}

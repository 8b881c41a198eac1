//! Values that own memory, panic or lie. Run under the address sanitizer by `cargo xtask sanitize`:
//! what is freed twice, or used after it, ends the run there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use bytes::Bytes;
use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry::{Array, Key, KeyValue, StringValue, Value as ApiValue};
use spanwise_sdk::sampling::{
    ComposableSampler, Sampler, SamplingIntent, SamplingParameters, Tick,
};
use spanwise_sdk::{DropReason, EncodeValue, SpanKind, Tracer};
use spanwise_testkit::spans;
use spanwise_transport::Outcome;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
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
fn the_memory_of_an_attribute_is_dropped_once() {
    for sampler in [Sampler::always_on(), Sampler::always_off()] {
        let Bench { spanwise, receiver, .. } = bench(|builder| builder.with_sampler(sampler));
        let tracer = spanwise.tracer("owners");
        let owned: Arc<str> = "shared by many".into();
        for _ in 0..3 {
            set_all(&tracer, &owned);
            assert_eq!(Arc::strong_count(&owned), 1, "neither kept nor dropped twice");
        }
        settled(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
        drop(receiver);
    }
}

/// A payload that panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            resume_unwind(Box::new("the payload was dropped"));
        }
    }
}

/// Owns memory, and does to the buffer what it is told to; may panic in its drop.
struct Liar {
    says: usize,
    act: fn(&mut Vec<u8>),
    memory: Arc<()>,
    panics_on_drop: bool,
}

impl EncodeValue for Liar {
    fn encoded_len(&self, _: usize) -> usize {
        self.says
    }

    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        (self.act)(out);
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        assert!(Arc::strong_count(&self.memory) > 1);
        if self.panics_on_drop && !std::thread::panicking() {
            resume_unwind(Box::new(Grenade));
        }
    }
}

#[test]
fn a_value_that_lies_or_panics_costs_its_attribute_and_nothing_else() {
    let Bench { spanwise, receiver, collected } = bench(|builder| builder);
    let tracer = spanwise.tracer("liars");
    let memory = Arc::new(());
    let acts: [fn(&mut Vec<u8>); 6] = [
        |out| out.clear(),
        |out| *out = vec![0xff; 100],
        |out| drop(std::mem::take(out)),
        |out| out.extend([0x0a; 9]),
        |out| out.fill(0xff),
        |out| {
            out.extend([0x0a; 5000]);
            resume_unwind(Box::new(Grenade));
        },
    ];
    let mut sent = 0;
    for says in [1, 9, 5000, usize::MAX] {
        for act in acts {
            for panics_on_drop in [false, true] {
                let liar = || Liar { says, act, memory: memory.clone(), panics_on_drop };
                let mut span = tracer.root("before", SpanKind::Internal);
                span.attribute("before", 1);
                let survive = |act: &mut dyn FnMut()| {
                    if let Err(payload) = catch_unwind(AssertUnwindSafe(act)) {
                        std::mem::forget(payload);
                    }
                };
                survive(&mut || _ = span.attribute("liar", liar()));
                survive(&mut || _ = span.attribute("before", liar()));
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

/// Panics in whatever it is asked, with a payload whose drop panics.
#[derive(Debug)]
struct PanickingSampler;

impl ComposableSampler for PanickingSampler {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        SamplingIntent::keep_without_threshold()
    }

    fn tick(&self, _: &Tick) {
        resume_unwind(Box::new(Grenade));
    }

    fn description(&self) -> String {
        "\0\u{1b}[2J".to_owned()
    }
}

#[test]
fn a_sampler_a_sink_and_a_handler_that_panic_leave_every_span_its_outcome() {
    let sink = |_: Bytes| {
        if SENT.fetch_add(1, SeqCst).is_multiple_of(2) {
            resume_unwind(Box::new(Grenade));
        }
        async {
            resume_unwind(Box::new(Grenade));
            #[expect(unreachable_code, reason = "gives the type")]
            Outcome::Accepted { rejected: 0, message: None }
        }
    };
    static SENT: AtomicUsize = AtomicUsize::new(0);
    let spanwise = support::builder()
        .with_sampler(PanickingSampler)
        .with_diagnostics(|_| resume_unwind(Box::new(Grenade)))
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
    settled(&report.ledger);
    assert_eq!(report.ledger.created, 60);
    assert_eq!(report.ledger.dropped(DropReason::ExporterPanic), 60);
}

//! The specification's rules for spans, tracers and providers, through the API's traits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod end;
mod native;
mod record;
mod start;
#[path = "../support/mod.rs"]
mod support;

use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_sdk::Tracer;
use spanwise_testkit::spans;
use support::{Bench, bench};

/// The one span that `make` ends, as the receiver decoded it, and the provider.
fn one(make: impl FnOnce(&Tracer)) -> (Span, Bench) {
    let bench = bench(|builder| builder);
    make(&bench.spanwise.tracer("rules"));
    let request = bench.finish();
    let mut all = spans(&request).cloned();
    let span = all.next().unwrap();
    assert!(all.next().is_none(), "one span");
    (span, bench)
}

fn remote(flags: u8, trace_state: &str) -> SpanContext {
    let trace_state = trace_state.parse::<TraceState>().unwrap();
    SpanContext::new(0xabc_u128.into(), 0xdef_u64.into(), TraceFlags::new(flags), true, trace_state)
}

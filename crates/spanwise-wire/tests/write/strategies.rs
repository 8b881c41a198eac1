//! Random steps, limits and headers.

use crate::support::{attributes, key, text, value};
use proptest::prelude::*;
use spanwise_wire::write::SpanHeader;
use spanwise_wire::{SpanFlags, SpanId, SpanKind, SpanLimits, StatusCode, TraceId};

use crate::model::{LinkSpec, Step};

pub fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => text(),
        3 => prop::sample::select(vec![0usize, 1, 126, 127, 128, 129, 300, 4096, 4097])
            .prop_map(|len| "n".repeat(len)),
        1 => (4000usize..4200).prop_map(|len| "é".repeat(len)),
    ]
}

pub fn trace_state() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 1 => "[a-z]{1,9}=[a-z0-9]{1,9}", 1 => "[a-z]{1,9}=[a-z]{150}"]
}

pub fn step() -> impl Strategy<Value = Step> {
    let link = (any::<u128>(), any::<u64>(), any::<u8>(), any::<bool>(), trace_state()).prop_map(
        |(trace_id, span_id, trace_flags, is_remote, trace_state)| LinkSpec {
            trace_id,
            span_id,
            trace_flags,
            is_remote,
            trace_state,
        },
    );
    let code = prop::sample::select(vec![
        StatusCode::Unset,
        StatusCode::Ok,
        StatusCode::Error,
        StatusCode::Error,
    ]);
    let message = prop_oneof![9 => text(), 1 => Just("ü".repeat(16_385))];
    prop_oneof![
        12 => (key(), value()).prop_map(|(key, value)| Step::Attribute(key, value)),
        2 => (any::<u64>(), name(), attributes(8)).prop_map(|(t, n, a)| Step::Event(t, n, a)),
        2 => (link, attributes(8)).prop_map(|(link, a)| Step::Link(link, a)),
        1 => (code, message).prop_map(|(code, message)| Step::Status(code, message)),
        2 => name().prop_map(Step::Rename),
    ]
}

pub fn limits() -> impl Strategy<Value = SpanLimits> {
    let count = || prop_oneof![2 => Just(128u32), 1 => 0u32..6];
    let chars = prop_oneof![2 => Just(65_536), 2 => 0usize..10, 1 => Just(usize::MAX)];
    (count(), count(), count(), count(), count(), chars).prop_map(|(a, e, l, ae, al, chars)| {
        let mut limits = SpanLimits::default();
        (limits.attributes, limits.events, limits.links) = (a, e, l);
        (limits.attributes_per_event, limits.attributes_per_link) = (ae, al);
        (limits.value_chars, limits.span_bytes) = (chars, usize::MAX);
        limits
    })
}

pub fn header() -> impl Strategy<Value = (SpanHeader, String)> {
    let kind = prop::sample::select(vec![
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ]);
    let parent = prop_oneof![Just(0), any::<u64>()];
    (
        any::<u128>(),
        any::<u64>(),
        parent,
        kind,
        any::<u64>(),
        any::<u64>(),
        any::<u32>(),
        trace_state(),
    )
        .prop_map(
            |(
                trace_id,
                span_id,
                parent_span_id,
                kind,
                start_unix_nanos,
                end_unix_nanos,
                flags,
                state,
            )| {
                let header = SpanHeader {
                    trace_id: TraceId(trace_id),
                    span_id: SpanId(span_id),
                    parent_span_id: SpanId(parent_span_id),
                    kind,
                    start_unix_nanos,
                    end_unix_nanos,
                    flags: SpanFlags(flags),
                };
                (header, state)
            },
        )
}

/// Steps whose counters identify the dropped field: events have at most one attribute.
pub fn byte_step() -> impl Strategy<Value = Step> {
    step().prop_map(|step| match step {
        Step::Event(time, name, mut attributes) => {
            attributes.truncate(1);
            Step::Event(time, name.chars().take(300).collect(), attributes)
        }
        Step::Link(link, _) => Step::Link(link, Vec::new()),
        Step::Rename(name) => Step::Rename(name.chars().take(100).collect()),
        Step::Status(code, message) => Step::Status(code, message.chars().take(100).collect()),
        attribute => attribute,
    })
}

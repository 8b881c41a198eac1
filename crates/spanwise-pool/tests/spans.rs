//! Pooled spans: a reset clears each field, and each size has its tier.
#![cfg(not(loom))]

use std::sync::Arc;

use proptest::prelude::*;
use spanwise_pool::span::{
    Attribute, LinkedContext, OwnedValue, SpanId, SpanKind, StatusCode, StringValue, TraceFlags,
    TraceId,
};
use spanwise_pool::{PooledSpan, SpanPool, TieredPool, TieredSpanPool};

/// Fills every field there is.
fn write_all_over(span: &mut PooledSpan) {
    span.trace_id = TraceId(0xaa);
    span.span_id = SpanId(0xbb);
    span.parent_span_id = SpanId(0xcc);
    (span.parent_is_remote, span.trace_flags) = (true, TraceFlags::SAMPLED);
    span.trace_state.push_str("ot=th:8");
    span.name.push_str("GET /api/users");
    span.kind = SpanKind::Server;
    (span.start_unix_nanos, span.end_unix_nanos) = (1, 2);
    (span.dropped_attributes, span.dropped_events, span.dropped_links) = (1, 2, 3);
    span.set_status(StatusCode::Error, "no such user")
        .set_attribute("http.method", "GET")
        .add_event("cache miss", 5, [Attribute::new("key", 7)])
        .add_link(LinkedContext::default(), [Attribute::new("why", "batch")]);
}

#[test]
fn a_reset_span_is_a_new_one() {
    let pool = SpanPool::new(4);
    write_all_over(&mut pool.acquire());
    let again = pool.acquire();
    assert_eq!(pool.stats().hits, 1);
    // `Debug` shows every field, also one that is added later.
    assert_eq!(format!("{:?}", *again), format!("{:?}", PooledSpan::default()));
    assert!(again.attributes.capacity() >= 16);
}

#[test]
fn a_released_span_retains_its_memory() {
    let pool = SpanPool::new(1);
    let bytes = || pool.stats().retained_bytes;
    write_all_over(&mut pool.acquire());
    let warm = bytes();
    write_all_over(&mut pool.acquire());
    assert!(warm > 16 * size_of::<Attribute>());
    assert_eq!(bytes(), warm);
}

#[test]
fn events_and_links_keep_their_attributes_apart() {
    let mut span = PooledSpan::default();
    span.add_event("a", 1, [Attribute::new("x", 1), Attribute::new("y", 2)])
        .add_event("b", 2, [])
        .add_event("c", 3, [Attribute::new("z", true)]);
    let of = |name: &str| {
        let event = span.events().find(|event| event.name == name).unwrap();
        event.attributes.iter().map(|attribute| attribute.key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        (of("a"), of("b"), of("c")),
        (vec!["x".into(), "y".into()], vec![], vec!["z".into()])
    );
    assert_eq!(span.events().map(|event| event.unix_nanos).sum::<u64>(), 6);
}

#[test]
fn a_key_is_unique_for_all_kinds_of_strings() {
    let mut span = PooledSpan::default();
    span.set_attribute("k", 1).set_attribute(String::from("k"), 2.5);
    span.set_attribute(Arc::<str>::from("k"), "three");
    assert_eq!(
        span.attributes,
        [Attribute::new("k", OwnedValue::Str(StringValue::Static("three")))]
    );
}

#[test]
fn only_an_error_has_a_description() {
    let mut span = PooledSpan::default();
    span.set_status(StatusCode::Error, "broken").set_status(StatusCode::Ok, "fine");
    assert_eq!((span.status, span.status_message.as_str()), (StatusCode::Ok, ""));
}

/// The document's tiers: up to 8, up to 32, more; capacity for 8/4, 32/8, 128/16.
#[test]
fn tiers_are_chosen_by_the_expected_number() {
    let pool = TieredSpanPool::new(4);
    for (expected, entries) in [(0, 8), (8, 8), (9, 32), (32, 32), (33, 128), (10_000, 128)] {
        assert_eq!(pool.acquire(expected).unwrap().attributes.capacity(), entries, "{expected}");
    }
    let retained: Vec<_> = pool.stats().map(|(entries, stats)| (entries, stats.retained)).collect();
    assert_eq!(retained, [(8, 1), (32, 1), (128, 1)]);
    assert!(TieredPool::<Vec<u8>>::with_tiers(&[], 4).acquire(1).is_none());
}

proptest! {
    /// A released object is retained by the tier of its capacity, for any origin and growth.
    #[test]
    fn an_object_that_has_grown_moves_to_its_tier(
        acquisitions in prop::collection::vec((0..200_usize, 0..700_usize), 1..60),
    ) {
        let pool = TieredPool::<Vec<u32>>::new(2);
        for (expected, used) in acquisitions {
            let mut object = pool.acquire(expected).unwrap();
            prop_assert!(object.is_empty());
            prop_assert!(object.capacity() >= expected.min(128));
            object.extend((0..used).map(|n| n as u32));
            let capacity = object.capacity();
            drop(object);
            let owner = [8, 32, 128].into_iter().rev().find(|&entries| entries <= capacity);
            for (entries, stats) in pool.stats() {
                prop_assert!(stats.retained <= 2);
                prop_assert_eq!(stats.outstanding, 0);
                let most = match entries { 8 => 31, 32 => 127, _ => 512 };
                prop_assert!(stats.retained_bytes <= stats.retained * most * 4);
                if owner == Some(entries) && capacity <= 512 {
                    prop_assert!(stats.retained > 0);
                }
            }
        }
    }
}

/// The mapping of Rust's types is the specification's (*Mapping Arbitrary Data to OTLP
/// AnyValue*: integers beyond 64 bits with sign are decimal strings).
#[test]
fn values_are_made_with_into() {
    let text = |text: &'static str| OwnedValue::Str(text.into());
    let cases: [(OwnedValue, OwnedValue); 18] = [
        (vec![0; 3].len().into(), OwnedValue::I64(3)),
        (3u8.into(), OwnedValue::I64(3)),
        ((-3i16).into(), OwnedValue::I64(-3)),
        (u32::MAX.into(), OwnedValue::I64(4_294_967_295)),
        ((i64::MAX as u64).into(), OwnedValue::I64(i64::MAX)),
        (u64::MAX.into(), text("18446744073709551615")),
        (i128::MIN.into(), text("-170141183460469231731687303715884105728")),
        (0.5f32.into(), OwnedValue::F64(0.5)),
        ('x'.into(), text("x")),
        ((&String::from("x")).into(), text("x")),
        ((&Arc::<str>::from("x")).into(), text("x")),
        (std::borrow::Cow::Borrowed("x").into(), text("x")),
        (Box::<str>::from("x").into(), text("x")),
        (vec![1i64].into(), OwnedValue::Array(vec![OwnedValue::I64(1)])),
        (vec!["x"].into(), OwnedValue::Array(vec![text("x")])),
        (vec![7u8].into(), OwnedValue::Bytes(vec![7])),
        (Some("x").into(), text("x")),
        (None::<u64>.into(), OwnedValue::Absent),
    ];
    for (value, expected) in cases {
        assert_eq!(value, expected);
    }
}

#[test]
fn none_sets_no_attribute() {
    let mut span = PooledSpan::default();
    span.set_attribute("a", None::<&str>).set_attribute("b", 1).set_attribute("b", None::<i64>);
    span.add_event("event", 1, [Attribute::new("a", None::<u64>), Attribute::new("b", 2)]);
    span.add_link(LinkedContext::default(), [Attribute::new("a", None::<u64>)]);
    assert_eq!(span.attributes, [Attribute::new("b", 1)]);
    assert_eq!(span.events().next().unwrap().attributes, [Attribute::new("b", 2)]);
    assert_eq!(span.links().next().unwrap().attributes, []);
}

#[test]
fn capacities_above_the_bound_are_reduced() {
    const MAX: usize = usize::MAX;
    let span = PooledSpan::with_capacity(MAX, MAX, MAX);
    assert!(span.attributes.capacity() * size_of::<Attribute>() <= 64 << 20);
    let spans = SpanPool::new(4).with_capacity(MAX, MAX, MAX).with_byte_limit(MAX);
    drop(spans.acquire());
    let _unused = spans.trim();
    drop(SpanPool::new(MAX).acquire());
}

#[test]
fn a_byte_limit_preserves_the_counters_of_a_span_pool() {
    let spans = SpanPool::new(2);
    drop(spans.acquire());
    let spans = spans.with_byte_limit(1 << 20);
    drop(spans.acquire());
    assert_eq!((spans.stats().misses, spans.stats().hits), (1, 1));
}

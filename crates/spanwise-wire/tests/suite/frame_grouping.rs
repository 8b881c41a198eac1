//! Requests with the spans of a trace side by side, read back by prost.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use spanwise_wire::write::encode_scope;
use spanwise_wire::{Chunk, Framer, Position, RequestLimits, SpanId, SpanMeta, TraceId};

/// A span by its scope, its trace and the length of its name.
type Place = (u32, u8, usize);

fn chunks(places: &[(Vec<Place>, bool)]) -> Vec<Chunk> {
    let mut number = 0_u64;
    let chunk = |(places, is_compacted): &(Vec<Place>, bool)| {
        let mut chunk = Chunk::default();
        for &(scope, trace, len) in places {
            let trace_id = TraceId(u128::from(trace) << 64 | 7);
            let span = Span {
                trace_id: trace_id.to_bytes().to_vec(),
                span_id: number.to_be_bytes().into(),
                name: "n".repeat(len),
                ..Span::default()
            };
            let span_id = SpanId(number);
            let meta = SpanMeta { trace_id, span_id, scope, ..SpanMeta::default() };
            chunk.push(&span.encode_to_vec(), meta);
            number += 1;
        }
        if *is_compacted {
            chunk.compact();
        }
        chunk
    };
    places.iter().map(chunk).collect()
}

/// Scope, trace and number of each span.
fn spans(message: &[u8]) -> Vec<(String, Vec<u8>, u64)> {
    let request = ExportTraceServiceRequest::decode(message).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|it| it.scope_spans);
    let spans = scopes.flat_map(|scope| {
        let name = scope.scope.unwrap().name;
        scope.spans.into_iter().map(move |span| (name.clone(), span))
    });
    let number = |span: &Span| u64::from_be_bytes(span.span_id.as_slice().try_into().unwrap());
    spans.map(|(scope, span)| (scope, span.trace_id.clone(), number(&span))).collect()
}

/// Spans stably grouped by scope and trace, in the order in which traces appear in their scope.
fn grouped(spans: &[(String, Vec<u8>, u64)]) -> Vec<(String, Vec<u8>, u64)> {
    let mut sorted = spans.to_vec();
    let first = |span: &(String, Vec<u8>, u64)| {
        spans.iter().position(|other| (&other.0, &other.1) == (&span.0, &span.1))
    };
    let scope = |span: &(String, Vec<u8>, u64)| spans.iter().position(|it| it.0 == span.0);
    sorted.sort_by_key(|span| (scope(span), first(span)));
    sorted
}

fn places() -> impl Strategy<Value = Vec<(Vec<Place>, bool)>> {
    let place = (0..3_u32, 0..5_u8, 0..200_usize);
    vec((vec(place, 0..30), prop::bool::weighted(0.2)), 0..5)
}

proptest! {
    #[test]
    fn grouped_requests_have_the_same_spans_cut_at_the_same_places(
        places in places(),
        max_spans in 1..60_usize,
        max_bytes in 200..9000_usize,
    ) {
        let chunks = chunks(&places);
        let chunks: Vec<&Chunk> = chunks.iter().collect();
        let headers = ["a", "b", "c"].map(|name| encode_scope(name, "", [("", 0); 0], ""));
        let limits = RequestLimits::default().with_max_bytes(max_bytes).with_max_spans(max_spans);
        let framer = || Framer::new(&[], |scope| &headers[scope as usize], limits);
        let (plain, by_trace) = (framer(), framer().with_grouped_traces(true));
        let mut next = Some(Position::default());
        while let Some(from) = next {
            let plans = (plain.plan(&chunks, from), by_trace.plan(&chunks, from));
            let (Some(one), Some(other)) = &plans else {
                prop_assert!(plans.0.is_none() && plans.1.is_none());
                break;
            };
            prop_assert_eq!(one.encoded_len(), other.encoded_len());
            prop_assert_eq!((one.spans(), one.next()), (other.spans(), other.next()));
            next = one.next();
            let before = spans(plain.write(&chunks, one, Vec::new()).message());
            let request = by_trace.write(&chunks, other, Vec::new());
            prop_assert_eq!(request.message().len(), other.encoded_len());
            let after = spans(request.message());
            match places.iter().any(|(_, is_compacted)| *is_compacted) {
                // Few spans of many traces stay in their order.
                false => prop_assert!(after == grouped(&before) || after == before),
                true => {
                    let sorted = |mut spans: Vec<(String, Vec<u8>, u64)>| {
                        spans.sort();
                        spans
                    };
                    prop_assert_eq!(sorted(after), sorted(before));
                }
            }
            // The parts for several endpoints are grouped, too.
            let part_of = |trace: TraceId| usize::from(trace.0 >> 64 > 1);
            let parts = (
                plain.split_by_trace(&chunks, one, 2, part_of),
                by_trace.split_by_trace(&chunks, other, 2, part_of),
            );
            for (one, other) in parts.0.iter().zip(&parts.1) {
                let (Some(one), Some(other)) = (one, other) else {
                    prop_assert!(one.is_none() && other.is_none());
                    continue;
                };
                let before = spans(plain.write(&chunks, one, Vec::new()).message());
                let after = spans(by_trace.write(&chunks, other, Vec::new()).message());
                if places.iter().all(|(_, is_compacted)| !is_compacted) {
                    prop_assert!(after == grouped(&before) || after == before);
                }
                prop_assert_eq!(after.len(), before.len());
            }
        }
    }
}

/// A thread that does one request at a time leaves nothing to group: the request has the same bytes.
#[test]
fn spans_that_are_side_by_side_stay_in_their_order() {
    let places: Vec<Place> = (0..100).map(|number| (0, number / 5, 9)).collect();
    let chunks = chunks(&[(places[..42].to_vec(), false), (places[42..].to_vec(), false)]);
    let chunks: Vec<&Chunk> = chunks.iter().collect();
    let scope = encode_scope("a", "", [("", 0); 0], "");
    let requests = [false, true].map(|groups| {
        let mut framer = Framer::new(&[], |_| &scope, RequestLimits::default());
        framer = framer.with_grouped_traces(groups);
        let mut requests = Vec::new();
        framer.frame(&chunks, |request| requests.push(request));
        requests
    });
    assert_eq!(requests[0], requests[1]);
    assert_eq!(requests[0][0].spans(), 100);
}

/// The number of times that the next span is one of another trace, in a request of `spans` spans of `traces` traces in turns.
fn changes(spans: usize, traces: usize) -> usize {
    let places: Vec<Place> = (0..spans).map(|number| (0, (number % traces) as u8, 3)).collect();
    let chunks = chunks(&[(places, false)]);
    let scope = encode_scope("a", "", [("", 0); 0], "");
    let limits = RequestLimits::default().with_max_spans(20_000);
    let mut framer = Framer::new(&[], |_| &scope, limits).with_grouped_traces(true);
    let mut found = Vec::new();
    framer.frame(&[&chunks[0]], |request| found = self::spans(request.message()));
    assert_eq!(found.len(), spans);
    found.windows(2).filter(|pair| pair[0].1 != pair[1].1).count()
}

#[test]
fn traces_in_turns_are_grouped_where_most_have_two_spans() {
    // More traces than a search visits slots.
    assert_eq!(changes(2000, 250), 249);
    assert_eq!(changes(500, 250), 249);
    assert_eq!(changes(499, 250), 498);
    // The memory of the lists is bounded.
    assert_eq!((changes(16_384, 2), changes(16_385, 2)), (1, 16_384));
}

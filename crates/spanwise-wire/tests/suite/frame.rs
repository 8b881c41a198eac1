//! Chunks to requests, read back by prost.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use spanwise_wire::write::{encode_resource, encode_scope};
use spanwise_wire::{Chunk, Framer, Position, Request, RequestLimits, SpanId, SpanMeta};
use std::collections::HashSet;

/// A span that knows its place: its number in all, and its scope.
#[derive(Debug, Clone, Copy)]
struct Place {
    scope: u32,
    len: usize,
}

fn message(number: u64, place: Place) -> Vec<u8> {
    Span {
        trace_id: vec![7; 16],
        span_id: number.to_be_bytes().into(),
        name: "n".repeat(place.len),
        start_time_unix_nano: u64::from(place.scope) + 1,
        ..Span::default()
    }
    .encode_to_vec()
}

/// Chunks of these spans, numbered through.
fn chunks(places: &[Vec<Place>]) -> Vec<Chunk> {
    let mut number = 0;
    let chunk = |places: &Vec<Place>| {
        let mut chunk = Chunk::default();
        for &place in places {
            let meta =
                SpanMeta { span_id: SpanId(number), scope: place.scope, ..SpanMeta::default() };
            chunk.push(&message(number, place), meta);
            number += 1;
        }
        chunk
    };
    places.iter().map(chunk).collect()
}

fn headers(count: usize, header_len: usize) -> Vec<Vec<u8>> {
    let name = |scope| format!("{scope}/{}", "s".repeat(header_len));
    (0..count).map(|scope| encode_scope(&name(scope), "1", [("n", scope as u32)], "")).collect()
}

fn frame(
    chunks: &[Chunk],
    resource: &[u8],
    headers: &[Vec<u8>],
    limits: RequestLimits,
) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut framer = Framer::new(resource, |scope| &headers[scope as usize], limits);
    framer.frame(&chunks.iter().collect::<Vec<_>>(), |request| requests.push(request));
    requests
}

/// Length that the limit applies to: the prefix and the message.
fn whole_len(request: &Request) -> usize {
    request.prefix_len() + request.message().len()
}

/// Bytes of a request that a framer may count too much: lengths are taken for as long as can be.
fn overestimate(scopes: usize) -> usize {
    5 + 5 * scopes
}

fn limits() -> impl Strategy<Value = RequestLimits> {
    let bytes = prop_oneof![2 => 0usize..8000, 1 => Just(3_932_160)];
    let spans = prop_oneof![1 => 0usize..20, 1 => Just(8192)];
    (bytes, spans, prop_oneof![0usize..9, 0usize..300]).prop_map(|(bytes, spans, prefix)| {
        RequestLimits::default().with_max_bytes(bytes).with_max_spans(spans).with_prefix(prefix)
    })
}

fn places() -> impl Strategy<Value = Vec<Vec<Place>>> {
    let len = prop_oneof![5 => 0usize..200, 1 => 0usize..5000];
    // Many scopes that come back and back, and few.
    (1u32..30).prop_flat_map(move |scopes| {
        let place = (0..scopes, len.clone()).prop_map(|(scope, len)| Place { scope, len });
        vec(vec(place, 0..40), 0..5)
    })
}

proptest! {
    #[test]
    fn requests_hold_every_span_once(
        places in places(),
        header_len in 0usize..300,
        limits in limits(),
    ) {
        let resource = encode_resource([("service.name", "frame"), ("host", "somewhere")], "url");
        let headers = headers(30, header_len);
        let chunks = chunks(&places);
        let requests = frame(&chunks, &resource, &headers, limits);
        let all: Vec<Place> = places.concat();
        let mut seen = vec![false; all.len()];
        let mut last_number = None;
        let mut limits_tried = Vec::new();
        for request in &requests {
            prop_assert!(request.spans() == 1 || whole_len(request) <= limits.max_bytes);
            prop_assert!(request.spans() as usize <= limits.max_spans.max(1));
            prop_assert_eq!(request.prefix_len(), limits.prefix);
            let bytes = request.message();
            let whole = request.clone().into_bytes();
            let (prefix, behind) = whole.split_at(limits.prefix);
            prop_assert!(prefix.iter().all(|&byte| byte == 0));
            prop_assert_eq!((behind, &*request.clone().into_message()), (bytes, bytes));
            let decoded = ExportTraceServiceRequest::decode(bytes).unwrap();
            // Nothing written that prost would not write: it is the shortest form.
            prop_assert_eq!(decoded.encoded_len(), bytes.len());
            prop_assert_eq!(decoded.resource_spans.len(), 1);
            let group = &decoded.resource_spans[0];
            let alone = ResourceSpans::decode(&*resource).unwrap();
            prop_assert_eq!((&group.resource, &group.schema_url), (&alone.resource, &alone.schema_url));

            let mut scopes = HashSet::new();
            let mut numbers = Vec::new();
            for group in &group.scope_spans {
                let scope = group.scope.as_ref().unwrap();
                prop_assert!(scopes.insert(scope.name.clone()), "{} twice", scope.name);
                let index: usize = scope.name.split_once('/').unwrap().0.parse().unwrap();
                prop_assert_eq!(scope.attributes.len(), 1);
                let mut last = None;
                for span in &group.spans {
                    let number = u64::from_be_bytes(span.span_id.as_slice().try_into().unwrap());
                    prop_assert!(last < Some(number), "out of order");
                    last = Some(number);
                    let place = all[number as usize];
                    prop_assert_eq!(place.scope as usize, index);
                    prop_assert_eq!(span.encode_to_vec(), message(number, place));
                    prop_assert!(!std::mem::replace(&mut seen[number as usize], true), "twice");
                    numbers.push(number);
                }
            }
            prop_assert_eq!(numbers.len() as u64, request.spans());
            numbers.sort_unstable();
            // Requests take the spans in their order.
            prop_assert!(last_number < Some(numbers[0]));
            last_number = numbers.last().copied();
            limits_tried.push((numbers[0], whole_len(request), request.spans() as usize, scopes));
        }
        prop_assert!(seen.iter().all(|&seen| seen));
        // None could have taken the first span of the next one.
        for pair in limits_tried.windows(2) {
            let [(_, bytes, spans, scopes), (next, ..)] = pair else { unreachable!() };
            let place = all[*next as usize];
            let header = &headers[place.scope as usize];
            let name = format!("{}/{}", place.scope, "s".repeat(header_len));
            let new = if scopes.contains(&name) { 0 } else { header.len() + 6 };
            let with_next = bytes + message(*next, place).len() + 6 + new;
            prop_assert!(
                *spans >= limits.max_spans.max(1)
                    || with_next + overestimate(scopes.len() + 1) > limits.max_bytes,
                "{with_next} of {}", limits.max_bytes
            );
        }
    }
}

proptest! {
    /// Without metas, and with neighbours put together: the same spans in the same requests.
    #[test]
    fn compacted_chunks_are_framed_as_before(
        places in places(),
        limits in limits(),
        together in vec(any::<bool>(), 5),
    ) {
        let resource = encode_resource([("service.name", "frame")], "");
        let headers = headers(30, 20);
        let expected = frame(&chunks(&places), &resource, &headers, limits);
        let mut compacted: Vec<Chunk> = Vec::new();
        for (chunk, together) in chunks(&places).into_iter().zip(together) {
            match compacted.last_mut() {
                Some(last) if together => last.append(&chunk),
                _ => compacted.push(chunk),
            }
        }
        compacted.iter_mut().for_each(Chunk::compact);
        let spans: usize = compacted.iter().map(Chunk::len).sum();
        prop_assert_eq!(spans, places.concat().len());
        let metas: usize = compacted.iter().map(|chunk| chunk.metas().len()).sum();
        prop_assert_eq!(metas, 0);
        prop_assert_eq!(frame(&compacted, &resource, &headers, limits), expected);
    }

    #[test]
    fn a_plan_knows_the_length_of_its_request(places in places(), limits in limits()) {
        let resource = encode_resource([("service.name", "frame")], "");
        let headers = headers(30, 20);
        let chunks = chunks(&places);
        let chunks: Vec<_> = chunks.iter().collect();
        let framer = Framer::new(&resource, |scope| &headers[scope as usize], limits);
        let mut next = Some(Position::default());
        let mut spans = 0;
        while let Some(plan) = next.and_then(|from| framer.plan(&chunks, from)) {
            let memory = Vec::with_capacity(plan.encoded_len());
            let place = memory.as_ptr();
            let request = framer.write(&chunks, &plan, memory);
            prop_assert_eq!((whole_len(&request), request.spans()), (plan.encoded_len(), plan.spans()));
            let memory = request.into_bytes();
            prop_assert_eq!(memory.as_ptr(), place);
            spans += plan.spans();
            next = plan.next();
        }
        prop_assert_eq!(spans as usize, places.concat().len());
    }

    #[test]
    fn chunks_before_a_position_are_not_needed(places in places(), limits in limits()) {
        let headers = headers(30, 20);
        let all = chunks(&places);
        let expected = frame(&all, b"", &headers, limits);
        let framer = Framer::new(b"", |scope| &headers[scope as usize], limits);
        let (mut left, mut next) = (all.iter().collect::<Vec<_>>(), Some(Position::default()));
        let (mut requests, mut sent) = (Vec::new(), 0);
        while let Some(plan) = next.and_then(|from| framer.plan(&left, from)) {
            requests.push(framer.write(&left, &plan, Vec::new()));
            sent += plan.spans();
            next = plan.next();
            if let Some(next) = &mut next {
                left.drain(..next.chunks_before());
                let first = message(sent, places.concat()[sent as usize]);
                let bytes = &left[0].bytes()[next.bytes_before()..];
                // Behind the tag and the length of its field.
                prop_assert!((2..7).any(|at| bytes[at..].starts_with(&first)));
                *next = next.without_chunks_before();
            }
        }
        prop_assert_eq!(requests, expected);
    }
}

#[test]
fn a_compacted_chunk_takes_more_spans() {
    let (headers, place) = (headers(2, 5), |n: usize| Place { scope: n as u32 / 2 % 2, len: n });
    let [whole, mut grown] = [10, 5].map(|len| {
        let places: Vec<_> = (0..len).map(place).collect();
        chunks(&[places]).remove(0)
    });
    grown.compact();
    assert!(grown.capacity_bytes() < 400 && !grown.fits(0));
    for n in 5..10 {
        let meta = SpanMeta { scope: place(n).scope, ..SpanMeta::default() };
        grown.push(&message(n as u64, place(n)), meta);
    }
    assert_eq!((grown.len(), grown.bytes()), (10, whole.bytes()));
    let limits = RequestLimits::default();
    assert_eq!(frame(&[grown], b"", &headers, limits), frame(&[whole], b"", &headers, limits));
}

/// Scopes whose header differs on each call.
#[test]
fn a_header_that_changes_leaves_the_request_well_formed() {
    struct Fickle(std::cell::Cell<usize>);
    impl AsRef<[u8]> for Fickle {
        fn as_ref(&self) -> &[u8] {
            self.0.set(self.0.get() + 1);
            [&b"\x0a\x00"[..], b"", b"\x0a\x03\x0a\x01s"][self.0.get() % 3]
        }
    }
    let chunks = chunks(&[vec![Place { scope: 0, len: 5 }, Place { scope: 1, len: 5 }]]);
    for first in 0..3 {
        let fickle = |_| Fickle(std::cell::Cell::new(first));
        let mut framer = Framer::new(b"", fickle, RequestLimits::default());
        framer.frame(&chunks.iter().collect::<Vec<_>>(), |request| {
            let decoded = ExportTraceServiceRequest::decode(request.message()).unwrap();
            let groups = &decoded.resource_spans[0].scope_spans;
            assert_eq!(groups.iter().map(|group| group.spans.len()).sum::<usize>(), 2);
        });
    }
}

#[test]
fn a_request_is_cut_at_the_byte() {
    let (resource, headers) = (encode_resource([("a", 1)], ""), headers(1, 10));
    let chunks = chunks(&[vec![Place { scope: 0, len: 100 }; 10]]);
    let whole = frame(&chunks, &resource, &headers, RequestLimits::default());
    assert_eq!((whole.len(), whole[0].spans()), (1, 10));
    let enough = whole_len(&whole[0]) + overestimate(1);
    for max_bytes in enough - 200..enough + 10 {
        let limits = RequestLimits::default().with_max_bytes(max_bytes);
        let requests = frame(&chunks, &resource, &headers, limits);
        assert!(requests.iter().all(|request| whole_len(request) <= max_bytes), "{max_bytes}");
        match max_bytes {
            _ if max_bytes >= enough => assert_eq!(requests.len(), 1),
            _ if max_bytes < whole_len(&whole[0]) => assert_eq!(requests.len(), 2),
            _ => assert!(requests.len() <= 2),
        }
    }
}

#[test]
fn a_span_larger_than_a_request_goes_alone() {
    let (resource, headers) = (encode_resource([("a", 1)], ""), headers(2, 10));
    let place = |len| Place { scope: 0, len };
    let chunks = chunks(&[vec![place(10), place(5000), place(10), place(10)], vec![place(6000)]]);
    let limits = RequestLimits::default().with_max_bytes(1000);
    let requests = frame(&chunks, &resource, &headers, limits);
    assert_eq!(requests.iter().map(|request| request.spans()).collect::<Vec<_>>(), [1, 1, 2, 1]);
}

#[test]
fn scopes_that_take_turns_fill_a_request_all_the_same() {
    let headers = headers(100, 200);
    let place = |n: usize| Place { scope: n as u32 % 100, len: 10 };
    let chunks = chunks(&[(0..5000).map(place).collect::<Vec<_>>()]);
    let requests = frame(&chunks, &[], &headers, RequestLimits::default());
    assert_eq!((requests.len(), requests[0].spans()), (1, 5000));
    let max_bytes = whole_len(&requests[0]) / 2;
    let limits = RequestLimits::default().with_max_bytes(max_bytes);
    // The headers stand in each, so it takes a third one for the rest.
    let requests = frame(&chunks, &[], &headers, limits);
    assert_eq!(requests.len(), 3);
    let slack = overestimate(100) + 300;
    assert!(requests[..2].iter().all(|request| whole_len(request) + slack > max_bytes));
}

#[test]
fn nothing_in_nothing_out() {
    let headers = headers(1, 1);
    assert!(frame(&[], b"", &headers, RequestLimits::default()).is_empty());
    let empty = [Chunk::default(), Chunk::with_capacity(100, 1)];
    assert!(frame(&empty, b"", &headers, RequestLimits::default()).is_empty());
}

#[test]
fn reused_memory_does_not_show() {
    let (resource, headers) = (encode_resource([("a", 1)], ""), headers(3, 10));
    let place = |n: usize| Place { scope: n as u32 % 3, len: n };
    let chunks = chunks(&[(0..50).map(place).collect::<Vec<_>>()]);
    let limits = RequestLimits::default().with_prefix(5).with_max_bytes(2000);
    let expected = frame(&chunks, &resource, &headers, limits);
    assert!(expected.len() > 1);
    let mut framer = Framer::new(&resource, |scope| &headers[scope as usize], limits);
    for spare in [Vec::new(), vec![0xff; 10], vec![0xff; 100_000]] {
        let (memory, capacity) = (spare.as_ptr(), spare.capacity());
        framer.reuse(spare);
        let mut requests = Vec::new();
        framer.frame(&chunks.iter().collect::<Vec<_>>(), |request| requests.push(request));
        assert_eq!(requests, expected);
        if capacity == 100_000 {
            assert_eq!(requests[0].message().as_ptr().wrapping_sub(limits.prefix), memory);
        }
    }
}

#[test]
fn a_chunk_that_fits_a_span_does_not_grow() {
    for capacity in (0..40).chain([134, 135, 200, 16_390, 16_400]) {
        let mut chunk = Chunk::with_capacity(capacity, 2);
        let memory = chunk.capacity_bytes();
        assert!(memory >= capacity + 128);
        let longest = (0..=capacity).rev().find(|&len| chunk.fits(len));
        assert_eq!(longest, capacity.checked_sub(6));
        let Some(longest) = longest else { continue };
        assert!(!chunk.try_push(&vec![1; longest + 1], || unreachable!("it does not fit")));
        assert!(chunk.is_empty());
        assert!(chunk.try_push(&vec![1; longest], SpanMeta::default));
        assert!(!chunk.fits(longest.max(1)) && chunk.capacity_bytes() == memory);
        assert_eq!((chunk.len(), chunk.metas()[0].len as usize), (1, chunk.bytes().len()));
        chunk.clear();
        assert!(chunk.is_empty() && chunk.fits(longest) && chunk.capacity_bytes() == memory);
    }
    // As many metas as were asked for.
    let mut chunk = Chunk::with_capacity(1000, 2);
    (0..2).for_each(|_| chunk.push(b"", SpanMeta::default()));
    assert!(!chunk.fits(0));
    // Beyond what fits it grows, and nothing is lost.
    chunk.push(&[3; 5000], SpanMeta::default());
    assert_eq!((chunk.len(), chunk.metas()[2].offset, chunk.bytes().len()), (3, 4, 4 + 5003));
}

#[test]
fn a_chunk_of_one_takes_no_more_than_announced() {
    for len in (0..300).chain([16_383, 16_384, 100_000]) {
        let chunk =
            Chunk::single(&vec![5; len], SpanMeta { span_id: SpanId(9), ..SpanMeta::default() });
        assert_eq!((chunk.len(), chunk.metas()[0].span_id), (1, SpanId(9)));
        assert!(!chunk.fits(0), "{len}");
        assert!(chunk.capacity_bytes() <= Chunk::capacity_for_one(len), "{len}");
        assert!(chunk.bytes().ends_with(&vec![5; len]));
    }
}

//! Requests split by trace, read back by prost.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use spanwise_wire::write::encode_scope;
use spanwise_wire::{Chunk, Framer, Position, RequestLimits, SpanMeta, TraceId};

const SCOPES: usize = 3;

/// A span: scope, trace, and bytes of its name.
type Made = (u32, u128, usize);

fn chunk(spans: &[Made], first: u64, is_compact: bool) -> Chunk {
    let mut chunk = Chunk::default();
    for (number, &(scope, trace, len)) in (first..).zip(spans) {
        let trace_id = TraceId(trace);
        let span = Span {
            trace_id: trace_id.to_bytes().into(),
            span_id: (number + 1).to_be_bytes().into(),
            name: "n".repeat(len),
            ..Span::default()
        };
        let meta = SpanMeta { trace_id, scope, ..SpanMeta::default() };
        chunk.push(&span.encode_to_vec(), meta);
    }
    if is_compact {
        chunk.compact();
    }
    chunk
}

/// Scope and span of each span of a request.
fn spans(message: &[u8]) -> Vec<(String, Span)> {
    let request = ExportTraceServiceRequest::decode(message).unwrap();
    let [resource] = &*request.resource_spans else { panic!("{request:?}") };
    let scopes = resource.scope_spans.iter();
    let named = |name: &str, span: &Span| (name.to_owned(), span.clone());
    scopes
        .flat_map(|scope| {
            let name = &scope.scope.as_ref().unwrap().name;
            scope.spans.iter().map(move |span| named(name, span))
        })
        .collect()
}

fn part_of(trace_id: TraceId, parts: usize) -> usize {
    (trace_id.0 % parts as u128) as usize
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every span of a request is in the part of its trace, in its scope and in its order, and in no other.
    #[test]
    fn the_parts_of_a_request_have_its_spans(
        made in vec((vec((0..SCOPES as u32, 1u128..20, 0usize..40), 0..30), any::<bool>()), 1..5),
        parts in 1usize..5,
        max_spans in prop_oneof![1usize..30, Just(8_192)],
        prefix in 0usize..9,
    ) {
        let headers: Vec<_> =
            (0..SCOPES).map(|i| encode_scope(&format!("{i}"), "", [("", 0); 0], "")).collect();
        let mut first = 0;
        let chunks: Vec<_> = made
            .iter()
            .map(|(spans, is_compact)| {
                let chunk = chunk(spans, first, *is_compact);
                first += spans.len() as u64;
                chunk
            })
            .collect();
        let chunks: Vec<_> = chunks.iter().collect();
        let limits = RequestLimits::default().with_max_spans(max_spans).with_prefix(prefix);
        let framer = Framer::new(b"", |scope: u32| &headers[scope as usize], limits);
        let mut from = Some(Position::default());
        while let Some(at) = from {
            let Some(plan) = framer.plan(&chunks, at) else { break };
            let whole = spans(framer.write(&chunks, &plan, Vec::new()).message());
            let split = framer.split_by_trace(&chunks, &plan, parts, |id| part_of(id, parts));
            prop_assert_eq!(split.len(), parts);
            prop_assert_eq!(split.iter().flatten().map(|part| part.spans()).sum::<u64>(), plan.spans());
            for (index, part) in split.iter().enumerate() {
                let expected: Vec<_> = whole
                    .iter()
                    .filter(|(_, span)| {
                        let id = TraceId::from_bytes(span.trace_id[..].try_into().unwrap());
                        part_of(id, parts) == index
                    })
                    .cloned()
                    .collect();
                let Some(part) = part else {
                    prop_assert!(expected.is_empty());
                    continue;
                };
                prop_assert_eq!(part.next(), None);
                let request = framer.write(&chunks, part, Vec::new());
                prop_assert_eq!(part.encoded_len(), prefix + request.message().len());
                prop_assert!(part.encoded_len() <= plan.encoded_len());
                prop_assert_eq!(spans(request.message()), expected);
            }
            from = plan.next();
        }
    }
}

#[test]
fn an_index_that_is_too_large_means_the_last_part() {
    let chunk = chunk(&[(0, 1, 1), (0, 2, 1)], 0, false);
    let header = encode_scope("s", "", [("", 0); 0], "");
    let framer = Framer::new(b"", |_| &header, RequestLimits::default());
    let plan = framer.plan(&[&chunk], Position::default()).unwrap();
    let parts = framer.split_by_trace(&[&chunk], &plan, 2, |_| usize::MAX);
    assert!(parts[0].is_none());
    assert_eq!(parts[1].as_ref().unwrap().spans(), 2);
    assert!(framer.split_by_trace(&[&chunk], &plan, 0, |_| 0).is_empty());
}

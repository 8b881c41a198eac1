use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;
use spanwise_batch::Budget;
use spanwise_transport::PREFIX;
use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::gateway::held::Held;

/// As [`super::divide`], with memory for all parts.
fn divide(
    request: &Bytes,
    peers: usize,
    route: impl FnMut(&[u8; 16]) -> usize,
) -> Result<Division, Undivided> {
    let budget = Budget::new(1 << 40);
    let mut memory = PartsMemory::new(Held::default(), &budget);
    super::divide(request, peers, &mut memory, route)
}

/// A span with the groups that it is in.
type Placed = (Option<Resource>, String, Option<InstrumentationScope>, String, Span);

fn placed(request: &[u8]) -> Vec<Placed> {
    let request = ExportTraceServiceRequest::decode(request).unwrap();
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        for scope in resource.scope_spans {
            spans.extend(scope.spans.into_iter().map(|span| {
                let (resource_url, scope_url) = (&resource.schema_url, &scope.schema_url);
                let resource = resource.resource.clone();
                (resource, resource_url.clone(), scope.scope.clone(), scope_url.clone(), span)
            }));
        }
    }
    spans
}

fn id_of(span: &Span) -> [u8; 16] {
    span.trace_id[..].try_into().unwrap_or_default()
}

/// Divides by the first byte of the id, and compares with the decoded request.
fn check(request: &[u8], peers: usize) -> Division {
    let expected = placed(request);
    let mut routed = HashSet::new();
    let bytes = Bytes::copy_from_slice(request);
    let division = divide(&bytes, peers, |id| {
        routed.insert(*id);
        usize::from(id[0]) % peers
    });
    let division = division.unwrap();
    let peer_of = |placed: &Placed| usize::from(id_of(&placed.4)[0]) % peers;
    let malformed = expected.iter().filter(|placed| placed.4.trace_id.len() != 16).count();
    assert_eq!(division.malformed, malformed as u64);
    let ids: HashSet<_> = expected.iter().map(|placed| id_of(&placed.4)).collect();
    assert_eq!(routed, ids);
    match &division.parts {
        Parts::Whole(peer) => assert!(expected.iter().all(|placed| peer_of(placed) == *peer)),
        Parts::Several(parts) => {
            assert!(parts.len() > 1 && parts.iter().is_sorted_by(|a, b| a.peer < b.peer));
            let spans: u64 = parts.iter().map(|part| part.spans).sum();
            assert_eq!(spans, expected.len() as u64);
            for part in parts {
                let own = expected.iter().filter(|placed| peer_of(placed) == part.peer);
                assert_eq!(placed(&part.prefixed[PREFIX..]), own.cloned().collect::<Vec<_>>());
                assert_eq!(part.spans, placed(&part.prefixed[PREFIX..]).len() as u64);
            }
        }
    }
    division
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(("[a-c]{0,3}", "[x-z]{0,200}"), 0..3).prop_map(|pairs| {
        let pair = |(key, value)| KeyValue {
            key,
            value: Some(AnyValue { value: Some(any_value::Value::StringValue(value)) }),
            ..Default::default()
        };
        pairs.into_iter().map(pair).collect()
    })
}

fn span() -> impl Strategy<Value = Span> {
    let id = prop_oneof![8 => any::<u8>().prop_map(|byte| vec![byte % 5; 16]), 1 => vec(any::<u8>(), 0..20)];
    (id, attributes(), "[a-z]{0,9}").prop_map(|(trace_id, attributes, name)| Span {
        trace_id,
        name,
        attributes,
        ..Span::default()
    })
}

fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope = (proptest::option::of(attributes()), "[s-u]{0,4}", vec(span(), 0..12));
    let scope = scope.prop_map(|(attributes, schema_url, spans)| {
        let scope = attributes.map(|attributes| InstrumentationScope {
            name: "scope".to_owned(),
            attributes,
            ..InstrumentationScope::default()
        });
        ScopeSpans { scope, spans, schema_url }
    });
    let resource = (proptest::option::of(attributes()), "[v-w]{0,4}", vec(scope, 0..4));
    let resource = resource.prop_map(|(attributes, schema_url, scope_spans)| {
        let resource = attributes.map(|attributes| Resource { attributes, ..Resource::default() });
        ResourceSpans { resource, scope_spans, schema_url }
    });
    vec(resource, 0..4).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_parts_have_the_spans_of_the_request_each_with_its_groups(request in request(), peers in 1_usize..6) {
        check(&request.encode_to_vec(), peers);
    }

    #[test]
    fn no_bytes_panic_and_parts_have_all_spans(mut bytes in request().prop_map(|request| request.encode_to_vec()), at in any::<prop::sample::Index>(), to: u8) {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        let spans = spanwise_wire::read::TraceRequest::new(&bytes).count_spans();
        let divided = divide(&Bytes::from(bytes), 3, |id| usize::from(id[0]) % 3);
        if let (Ok(Division { parts: Parts::Several(parts), .. }), Ok(spans)) = (divided, spans) {
            prop_assert_eq!(parts.iter().map(|part| part.spans).sum::<u64>(), spans);
        }
    }
}

fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    spanwise_wire::write::put_varint(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

fn span_of(byte: u8) -> Vec<u8> {
    message(2, &[message(1, &[byte; 16]), message(5, b"name")].concat())
}

#[test]
fn fields_behind_the_spans_and_unknown_ones_are_in_each_part() {
    let scope = |first: u8| {
        let spans: Vec<u8> = (first..first + 3).flat_map(span_of).collect();
        let header = [message(1, &message(1, b"scope")), message(3, b"url"), message(9, b"new")];
        message(2, &[spans, header.concat()].concat())
    };
    let behind = [message(1, &message(1, b"")), message(3, b"resource-url"), message(8, b"old")];
    let request = message(1, &[scope(0), scope(7), behind.concat()].concat());
    let division = check(&request, 3);
    let Parts::Several(parts) = division.parts else { panic!("{division:?}") };
    for Part { prefixed, .. } in parts {
        for field in [message(9, b"new"), message(8, b"old")] {
            let times = prefixed.windows(field.len()).filter(|part| **part == field[..]).count();
            assert_eq!(times, if field.starts_with(&[9 << 3 | 2]) { 2 } else { 1 });
        }
    }
}

#[test]
fn a_request_of_one_peer_is_not_copied() {
    let spans: Vec<u8> = [1, 4, 1].into_iter().flat_map(span_of).collect();
    let division = check(&message(1, &message(2, &spans)), 3);
    assert!(matches!(division.parts, Parts::Whole(1)));
    assert!(matches!(check(&[], 3).parts, Parts::Whole(0)));
}

#[test]
fn neighbours_of_one_trace_are_routed_once() {
    let spans: Vec<u8> = [1, 1, 1, 2, 2, 1].into_iter().flat_map(span_of).collect();
    let mut calls = Vec::new();
    let request = Bytes::from(message(1, &message(2, &spans)));
    let route = |id: &[u8; 16]| {
        calls.push(id[0]);
        usize::from(id[0])
    };
    divide(&request, 3, route).unwrap();
    assert_eq!(calls, [1, 2, 1]);
}

#[test]
fn a_resource_is_not_multiplied_beyond_the_limit() {
    let spans: Vec<u8> = (0..=255).flat_map(span_of).collect();
    let large = message(1, &message(1, &vec![0; 100_000]));
    for parts in [[&large[..], &message(2, &spans)], [&message(2, &spans), &large]] {
        let request = Bytes::from(message(1, &parts.concat()));
        let undivided = divide(&request, 256, |id| usize::from(id[0])).unwrap_err();
        assert_eq!(undivided, Undivided::TooLarge(0));
        divide(&request, 4, |id| usize::from(id[0]) % 4).unwrap();
    }
}

#[test]
fn a_malformed_framing_is_an_error() {
    let request = message(1, &[&message(2, &span_of(1))[..], &[0x12, 9]].concat());
    let undivided = divide(&Bytes::from(request), 3, |id| usize::from(id[0])).unwrap_err();
    assert_eq!(undivided, Undivided::Malformed(WireError::Truncated));
}

/// The parts of a request as a gateway makes them: with the charge of the request, of a budget of this limit.
fn divided_within(limit: usize, request: &Bytes) -> (Budget, Result<Vec<(Part, Held)>, Held>) {
    let budget = Budget::new(limit);
    let held = Held::new(Arc::new(budget.try_charge(request.len()).unwrap()));
    let mut memory = PartsMemory::new(held, &budget);
    let divided = super::divide(request, 3, &mut memory, |id| usize::from(id[0]) % 3);
    let parts = match divided {
        Ok(Division { parts: Parts::Several(parts), .. }) => parts,
        Ok(other) => panic!("{other:?}"),
        Err(undivided) => {
            assert_eq!(undivided, Undivided::NoMemory(1));
            return (budget.clone(), Err(memory.of_whole()));
        }
    };
    let charged = parts.into_iter().map(|mut part| {
        let held = memory.of_part(part.charge.take());
        (part, held)
    });
    let charged = charged.collect();
    drop(memory);
    (budget, Ok(charged))
}

#[test]
fn parts_are_charged_with_their_memory_before_they_are_allocated() {
    // The shares of the peers are unequal: 1 of 100, 98 and 1.
    let ids = std::iter::once(1).chain([2; 98]).chain([3]);
    let request = Bytes::from(message(1, &message(2, &ids.flat_map(span_of).collect::<Vec<_>>())));
    let (budget, parts) = divided_within(1 << 20, &request);
    let mut parts = parts.ok().unwrap();
    let memory: usize = parts.iter().map(|(part, _)| part.prefixed.capacity()).sum();
    assert_eq!(budget.charged(), memory, "what a part has, and nothing else");
    let peak = budget.peak();
    while let Some((part, held)) = parts.pop() {
        let before = budget.charged();
        drop(held);
        assert_eq!(before - budget.charged(), part.prefixed.capacity());
    }
    assert_eq!(budget.charged(), 0);
    // One byte less than the parts need: none is made, and the request has its charge.
    let (budget, whole) = divided_within(peak - 1, &request);
    assert_eq!(budget.charged(), request.len());
    assert!(budget.peak() < peak);
    drop(whole.err().unwrap());
    assert_eq!(budget.charged(), 0);
}

#[test]
fn many_peers_do_not_multiply_the_memory_of_a_request() {
    let request = Bytes::from(message(
        1,
        &message(2, &(0..=255).cycle().take(40_000).flat_map(span_of).collect::<Vec<_>>()),
    ));
    let budget = Budget::new(1 << 40);
    let mut memory = PartsMemory::new(Held::default(), &budget);
    super::divide(&request, 256, &mut memory, |id| usize::from(id[0])).unwrap();
    assert!(budget.peak() < request.len() * 3 / 2, "{} for {}", budget.peak(), request.len());
}

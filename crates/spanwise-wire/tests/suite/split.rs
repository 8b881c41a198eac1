//! Requests that are split into smaller ones, read back by prost.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use spanwise_wire::{RequestLimits, RequestPart};

/// A request with the spans of these resources and scopes; a number is the length of a span's name.
fn request(resources: &[Vec<Vec<usize>>]) -> ExportTraceServiceRequest {
    let mut number = 0u64;
    let mut span = |len: &usize| {
        number += 1;
        Span { span_id: number.to_be_bytes().into(), name: "n".repeat(*len), ..Span::default() }
    };
    let mut scope = |(index, spans): (usize, &Vec<usize>)| ScopeSpans {
        scope: Some(InstrumentationScope { name: format!("scope {index}"), ..Default::default() }),
        spans: spans.iter().map(&mut span).collect(),
        // Behind the spans.
        schema_url: "s".repeat(index),
    };
    let resources = resources.iter().enumerate().map(|(index, scopes)| ResourceSpans {
        resource: Some(Resource { dropped_attributes_count: index as u32, ..Default::default() }),
        scope_spans: scopes.iter().enumerate().map(&mut scope).collect(),
        schema_url: "r".repeat(index),
    });
    ExportTraceServiceRequest { resource_spans: resources.collect() }
}

/// Each span with all that it belongs to.
fn flat(request: &ExportTraceServiceRequest) -> Vec<(ResourceSpans, ScopeSpans, Span)> {
    let mut all = Vec::new();
    for resource in &request.resource_spans {
        for scope in &resource.scope_spans {
            for span in &scope.spans {
                let resource = ResourceSpans { scope_spans: Vec::new(), ..resource.clone() };
                let scope = ScopeSpans { spans: Vec::new(), ..scope.clone() };
                all.push((resource, scope, span.clone()));
            }
        }
    }
    all
}

fn limits(max_bytes: usize, max_spans: usize) -> RequestLimits {
    RequestLimits::default().with_max_bytes(max_bytes).with_max_spans(max_spans).with_prefix(5)
}

proptest! {
    #[test]
    fn parts_have_each_span_once_in_order_within_the_limits(
        resources in vec(vec(vec(0usize..300, 0..8), 0..4), 0..4),
        max_bytes in 0usize..2_000,
        max_spans in 1usize..12,
    ) {
        let request = request(&resources);
        let message = request.encode_to_vec();
        let limits = limits(max_bytes, max_spans);
        let (mut skipped, mut parts) = (0, Vec::new());
        while let Some(part) = RequestPart::plan(&message, skipped, limits).unwrap() {
            let written = part.write(b"old contents".to_vec());
            prop_assert_eq!(written.prefix_len(), 5);
            prop_assert_eq!(written.message().len() + 5, part.encoded_len());
            prop_assert_eq!(written.spans(), part.spans());
            let decoded = ExportTraceServiceRequest::decode(written.message()).unwrap();
            let spans = flat(&decoded);
            prop_assert_eq!(spans.len() as u64, part.spans());
            prop_assert!(spans.len() == 1 || part.encoded_len() <= max_bytes);
            prop_assert!((1..=max_spans).contains(&spans.len()));
            skipped += part.spans();
            parts.extend(spans);
        }
        prop_assert_eq!(parts, flat(&request));
    }

    /// As full as the limits allow: the next span would not have fit.
    #[test]
    fn a_part_takes_as_many_spans_as_fit(
        resources in vec(vec(vec(0usize..300, 1..8), 1..4), 1..3),
        max_bytes in 200usize..2_000,
    ) {
        let request = request(&resources);
        let message = request.encode_to_vec();
        let part = RequestPart::plan(&message, 0, limits(max_bytes, 1_000)).unwrap().unwrap();
        let more = RequestLimits::default().with_max_bytes(usize::MAX).with_prefix(5);
        let more = more.with_max_spans(part.spans() as usize + 1);
        let more = RequestPart::plan(&message, 0, more).unwrap().unwrap();
        // Lengths of groups are overestimated by up to five bytes each.
        let groups = 1 + resources.len() + resources.iter().map(Vec::len).sum::<usize>();
        prop_assert!(more.spans() == part.spans() || more.encoded_len() + 5 * groups > max_bytes);
    }

    #[test]
    fn bytes_that_are_no_request_are_an_error_or_a_part(
        message in vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
        skipped in 0u64..5,
    ) {
        let valid = request(&[vec![vec![3, 200], vec![7]]]).encode_to_vec();
        for message in [&message[..], &valid[..cut.index(valid.len())]] {
            if let Ok(Some(part)) = RequestPart::plan(message, skipped, limits(100, 2)) {
                prop_assert_eq!(part.write(Vec::new()).message().len() + 5, part.encoded_len());
            }
        }
    }
}

#[test]
fn debug_prints_no_span() {
    let message = request(&[vec![vec![30]]]).encode_to_vec();
    let part = RequestPart::plan(&message, 0, limits(100, 2)).unwrap().unwrap();
    let printed = format!("{part:?}");
    assert!(printed.contains("spans: 1") && !printed.contains("nnn"), "{printed}");
}

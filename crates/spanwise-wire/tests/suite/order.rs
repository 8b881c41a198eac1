//! Requests in the order of resource, scope and trace, read back by prost.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use spanwise_wire::RequestOrder;
use spanwise_wire::read::WireError;

/// A span of the trace `trace` with these keys, each with a value of its own.
#[derive(Debug, Clone)]
struct Spec {
    resource: u8,
    scope: u8,
    trace: u8,
    keys: Vec<u8>,
    /// The next group begins before this span, even for the same resource.
    splits: bool,
}

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    let spec = (0u8..3, 0u8..3, 0u8..5, vec(0u8..6, 0..6), any::<bool>());
    let spec = spec.prop_map(|(resource, scope, trace, keys, splits)| Spec {
        resource,
        scope,
        trace,
        keys,
        splits,
    });
    vec(spec, 0..40)
}

fn text(text: impl Into<String>) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.into())) })
}

/// The request whose groups change from span to span as the specs state.
fn request(specs: &[Spec]) -> ExportTraceServiceRequest {
    let mut request = ExportTraceServiceRequest::default();
    let mut last = None;
    for (number, spec) in specs.iter().enumerate() {
        let attributes = spec.keys.iter().enumerate().map(|(place, key)| KeyValue {
            key: "k".repeat(usize::from(*key)),
            value: text(format!("{place}")),
            ..KeyValue::default()
        });
        let span = Span {
            // Trace 0 has no id.
            trace_id: if spec.trace == 0 { Vec::new() } else { vec![spec.trace; 16] },
            span_id: (number as u64 + 1).to_be_bytes().into(),
            name: format!("span {number}"),
            attributes: attributes.collect(),
            ..Span::default()
        };
        if last != Some(spec.resource) || spec.splits {
            last = Some(spec.resource);
            let name = KeyValue {
                key: "service.name".into(),
                value: text(format!("{}", spec.resource)),
                ..KeyValue::default()
            };
            request.resource_spans.push(ResourceSpans {
                // Resource 0 is absent.
                resource: (spec.resource > 0)
                    .then(|| Resource { attributes: vec![name], ..Resource::default() }),
                schema_url: "r".repeat(usize::from(spec.resource)),
                ..ResourceSpans::default()
            });
        }
        let scopes = &mut request.resource_spans.last_mut().unwrap().scope_spans;
        let name = format!("scope {}", spec.scope);
        let has_name = |scope: &ScopeSpans| scope.scope.as_ref().unwrap().name == name;
        if !scopes.last().is_some_and(has_name) {
            let scope = InstrumentationScope { name, ..Default::default() };
            let schema_url = "s".repeat(spec.scope.into());
            scopes.push(ScopeSpans { scope: Some(scope), spans: Vec::new(), schema_url });
        }
        scopes.last_mut().unwrap().spans.push(span);
    }
    request
}

/// Each span with its groups, without their other spans.
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

/// The specification as a sort: by the first place of each resource, scope and trace, in this order.
fn expected(request: &ExportTraceServiceRequest, sorts_keys: bool) -> ExportTraceServiceRequest {
    let mut groups: Vec<ResourceSpans> = Vec::new();
    for (resource, scope, mut span) in flat(request) {
        if sorts_keys {
            span.attributes.sort_by(|a, b| a.key.cmp(&b.key));
        }
        let of = |it: &ResourceSpans| ResourceSpans { scope_spans: Vec::new(), ..it.clone() };
        let at = groups.iter().position(|it| of(it) == resource).unwrap_or_else(|| {
            groups.push(resource);
            groups.len() - 1
        });
        let scopes = &mut groups[at].scope_spans;
        let of = |it: &ScopeSpans| ScopeSpans { spans: Vec::new(), ..it.clone() };
        let at = scopes.iter().position(|it| of(it) == scope).unwrap_or_else(|| {
            scopes.push(scope);
            scopes.len() - 1
        });
        let spans = &mut scopes[at].spans;
        let last = spans.iter().rposition(|it| it.trace_id == span.trace_id);
        spans.insert(last.map_or(spans.len(), |last| last + 1), span);
    }
    ExportTraceServiceRequest { resource_spans: groups }
}

fn rewritten(message: &[u8], sorts_keys: bool) -> Result<(u64, Vec<u8>), WireError> {
    let mut out = b"before".to_vec();
    let order = RequestOrder::new().with_sorted_keys(sorts_keys);
    let result = order.rewrite(message, &mut out);
    assert_eq!(&out[..6], b"before");
    assert!(result.is_ok() || out.len() == 6, "an error changes nothing");
    out.drain(..6);
    result.map(|spans| (spans, out))
}

proptest! {
    #[test]
    fn a_request_is_grouped_by_resource_scope_and_trace_without_loss(
        specs in specs(),
        sorts_keys in any::<bool>(),
    ) {
        let request = request(&specs);
        let message = request.encode_to_vec();
        let (spans, ordered) = rewritten(&message, sorts_keys).unwrap();
        prop_assert_eq!(spans, specs.len() as u64);
        prop_assert!(ordered.len() <= message.len());
        let decoded = ExportTraceServiceRequest::decode(&*ordered).unwrap();
        prop_assert_eq!(&decoded, &expected(&request, sorts_keys));
        // The same spans under the same groups, whatever the order.
        let sorted = |request: &ExportTraceServiceRequest| {
            let mut all = flat(request);
            all.sort_by(|(.., a), (.., b)| a.span_id.cmp(&b.span_id));
            all.iter_mut().for_each(|(.., span)| span.attributes.sort_by(|a, b| a.key.cmp(&b.key)));
            all
        };
        prop_assert_eq!(sorted(&decoded), sorted(&request));
        prop_assert_eq!(rewritten(&ordered, sorts_keys).unwrap().1, ordered);
    }

    #[test]
    fn bytes_that_are_no_request_are_an_error_or_retain_their_fields(
        message in vec(any::<u8>(), 0..200),
        change in (any::<prop::sample::Index>(), any::<u8>()),
        specs in specs(),
        sorts_keys in any::<bool>(),
    ) {
        let mut damaged = request(&specs).encode_to_vec();
        if !damaged.is_empty() {
            let at = change.0.index(damaged.len());
            damaged[at] = change.1;
        }
        for message in [message, damaged] {
            let Ok((_, ordered)) = rewritten(&message, sorts_keys) else { continue };
            let again = rewritten(&ordered, sorts_keys).unwrap().1;
            prop_assert_eq!(again, &*ordered);
            let Ok(before) = ExportTraceServiceRequest::decode(&*message) else { continue };
            let after = ExportTraceServiceRequest::decode(&*ordered).unwrap();
            let count = |request: &ExportTraceServiceRequest| flat(request).len();
            prop_assert_eq!(count(&before), count(&after));
        }
    }
}

#[test]
fn groups_without_spans_and_fields_of_a_later_version_stay() {
    // A field 9 of the request, of the resource and of the scope; a resource and a scope without spans.
    let scope = [&[0x4a, 1, 7][..], &[0x12, 0], &[0x4a, 1, 8]].concat();
    let resource = [&[0x4a, 1, 6][..], &[0x12, scope.len() as u8], &scope, &[0x12, 0]].concat();
    let message =
        [&[0x4a, 1, 5][..], &[0x0a, resource.len() as u8], &resource, &[0x0a, 0]].concat();
    let (spans, ordered) = rewritten(&message, true).unwrap();
    assert_eq!(spans, 1);
    let scope = [&[0x4a, 1, 7][..], &[0x4a, 1, 8], &[0x12, 0]].concat();
    let resource = [&[0x4a, 1, 6][..], &[0x12, scope.len() as u8], &scope, &[0x12, 0]].concat();
    let expected =
        [&[0x4a, 1, 5][..], &[0x0a, resource.len() as u8], &resource, &[0x0a, 0]].concat();
    assert_eq!(ordered, expected);
}

#[test]
fn a_span_that_is_malformed_inside_is_copied_unchanged() {
    // An attribute whose length leaves its span, and a span before it.
    let spans = [&[0x12, 2, 0x4a, 9][..], &[0x12, 0]].concat();
    let message = [&[0x0a, 2 + spans.len() as u8, 0x12, spans.len() as u8][..], &spans].concat();
    assert_eq!(rewritten(&message, true), Ok((2, message)));
    assert_eq!(rewritten(&[0x0a, 2, 0x12, 9], true), Err(WireError::Truncated));
}

/// Many groups cost no more for each than few do.
#[test]
fn a_request_of_many_groups_is_rewritten_in_time() {
    let group = |number: u32| {
        let url = format!("{number:06}");
        [&[0x0a, 12, 0x1a, 6][..], url.as_bytes(), &[0x12, 2, 0x12, 0]].concat()
    };
    let message: Vec<u8> = (0..200_000).flat_map(|number| group(number % 100_000)).collect();
    let (spans, ordered) = rewritten(&message, false).unwrap();
    assert_eq!((spans, ordered.len()), (200_000, message.len() - 100_000 * 12));
}

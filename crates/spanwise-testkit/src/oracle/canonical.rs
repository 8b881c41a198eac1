//! The canonical form of all encodings of the same spans.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

/// Removes every difference between equivalent encodings.
///
/// - Attributes are sorted by key, at every level; entries of one key stay in order. Nested
///   key-value lists do not change.
/// - Groups of one resource are merged, within it groups of one scope; both are sorted by content,
///   and groups without spans are removed.
/// - Spans of a scope are sorted by span id; spans of one id stay in order, so after
///   [`forget_generated_ids`] all of them do. Events and links stay in order.
/// - A resource, scope or status without content is the same as none.
pub fn canonical(request: &mut ExportTraceServiceRequest) {
    let mut resources: Vec<ResourceSpans> = Vec::new();
    for mut group in std::mem::take(&mut request.resource_spans) {
        group.resource = group.resource.map(canonical_resource).filter(has_content);
        let same = |other: &&mut ResourceSpans| {
            other.schema_url == group.schema_url && same_bytes(&other.resource, &group.resource)
        };
        match resources.iter_mut().find(same) {
            Some(other) => other.scope_spans.append(&mut group.scope_spans),
            None => resources.push(group),
        }
    }
    for group in &mut resources {
        group.scope_spans = merged_scopes(std::mem::take(&mut group.scope_spans));
    }
    resources.retain(|group| !group.scope_spans.is_empty());
    resources.sort_by_cached_key(|group| (group.schema_url.clone(), bytes_of(&group.resource)));
    request.resource_spans = resources;
}

/// Sets the ids that an implementation generates to zero: every span id, and the trace id of spans
/// without a parent. Parents, the trace ids inherited from them, and links do not change.
pub fn forget_generated_ids(request: &mut ExportTraceServiceRequest) {
    for group in &mut request.resource_spans {
        for span in group.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
            span.span_id.fill(0);
            if span.parent_span_id.is_empty() {
                span.trace_id.fill(0);
            }
        }
    }
}

fn merged_scopes(groups: Vec<ScopeSpans>) -> Vec<ScopeSpans> {
    let mut scopes: Vec<ScopeSpans> = Vec::new();
    for mut group in groups {
        group.scope = group.scope.map(canonical_scope).filter(has_content);
        let same = |other: &&mut ScopeSpans| {
            other.schema_url == group.schema_url && same_bytes(&other.scope, &group.scope)
        };
        match scopes.iter_mut().find(same) {
            Some(other) => other.spans.append(&mut group.spans),
            None => scopes.push(group),
        }
    }
    for group in &mut scopes {
        group.spans.iter_mut().for_each(canonical_span);
        group.spans.sort_by(|a, b| a.span_id.cmp(&b.span_id));
    }
    scopes.retain(|group| !group.spans.is_empty());
    scopes.sort_by_cached_key(|group| (group.schema_url.clone(), bytes_of(&group.scope)));
    scopes
}

fn canonical_resource(mut resource: Resource) -> Resource {
    sort(&mut resource.attributes);
    resource
}

fn canonical_scope(mut scope: InstrumentationScope) -> InstrumentationScope {
    sort(&mut scope.attributes);
    scope
}

fn canonical_span(span: &mut Span) {
    sort(&mut span.attributes);
    span.events.iter_mut().for_each(|event| sort(&mut event.attributes));
    span.links.iter_mut().for_each(|link| sort(&mut link.attributes));
    span.status = span.status.take().filter(|status| *status != Status::default());
}

fn sort(attributes: &mut [KeyValue]) {
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
}

fn has_content(message: &impl prost::Message) -> bool {
    message.encoded_len() > 0
}

/// Compares bytes, not values, so that NaN equals itself and −0.0 does not equal 0.0.
fn same_bytes<M: prost::Message>(a: &Option<M>, b: &Option<M>) -> bool {
    bytes_of(a) == bytes_of(b)
}

fn bytes_of<M: prost::Message>(message: &Option<M>) -> Option<Vec<u8>> {
    message.as_ref().map(|message| message.encode_to_vec())
}

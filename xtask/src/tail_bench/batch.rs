//! The Collector's benchmark batch: 128 traces of 1 to 48 spans, from 4 services with 2 scopes each.

use crate::peers::Request;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use spanwise_testkit::SplitMix64;

/// Traces of a batch.
pub(super) const TRACES: usize = 128;
/// Spans of a batch.
pub(super) const SPANS: usize = 1_662;

/// The request of the batch `number`, with traces that no other batch has.
pub(super) fn request(number: u64) -> Vec<u8> {
    let random = &mut SplitMix64::new(number);
    let mut groups: Vec<Vec<Vec<Span>>> = vec![vec![Vec::new(); SCOPES.len()]; SERVICES];
    for index in 0..TRACES {
        let id = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64() | 1);
        // 10 % are slow, 10 % match a condition, and 5 % have an error.
        let trace = Trace {
            id,
            duration: if random.below(10) == 0 { 5_000_000 } else { 500_000 },
            matches: random.below(10) == 0,
            has_error: random.below(20) == 0,
        };
        let sizes = [1, 2, 4, 8, 16, 48];
        let spans = sizes.get(index % sizes.len()).copied().unwrap_or(1);
        for number in 0..spans {
            let span = trace.span(number, random);
            let service = groups.get_mut(random.below(SERVICES as u64) as usize);
            let scope = random.below(SCOPES.len() as u64) as usize;
            if let Some(spans) = service.and_then(|scopes| scopes.get_mut(scope)) {
                spans.push(span);
            }
        }
    }
    let resource_spans = groups.into_iter().enumerate().map(|(service, scopes)| ResourceSpans {
        resource: Some(resource(service)),
        scope_spans: SCOPES
            .iter()
            .zip(scopes)
            .map(|(name, spans)| scope_spans(name, spans))
            .collect(),
        ..ResourceSpans::default()
    });
    Request { resource_spans: resource_spans.collect() }.encode_to_vec()
}

/// The ids and attributes that the spans of a trace share.
struct Trace {
    id: u128,
    duration: u64,
    matches: bool,
    has_error: bool,
}

impl Trace {
    fn span(&self, number: u64, random: &mut SplitMix64) -> Span {
        let attributes = [
            ("http.request.method", text("GET")),
            ("url.path", text("/api/v1/resource")),
            ("server.address", text("shop.example.com")),
            ("attr_k_1", text(if self.matches { "attr_v_1" } else { "other" })),
            ("user_agent.original", text("Mozilla/5.0 (X11)")),
            ("network.peer.address", text("10.0.0.1")),
            ("http.response.status_code", Value::IntValue(200)),
        ];
        let start = 1_780_000_000_000_000_000 + number;
        Span {
            trace_id: self.id.to_be_bytes().to_vec(),
            span_id: random.next_u64().to_be_bytes().to_vec(),
            parent_span_id: if number == 0 {
                Vec::new()
            } else {
                random.next_u64().to_be_bytes().to_vec()
            },
            name: "GET /api/v1/resource".to_owned(),
            kind: 2,
            start_time_unix_nano: start,
            end_time_unix_nano: start + self.duration,
            attributes: attributes.map(|(key, value)| attribute(key, value)).to_vec(),
            status: (self.has_error && number == 0)
                .then(|| Status { message: String::new(), code: 2 }),
            ..Span::default()
        }
    }
}

/// 14 attributes.
fn resource(service: usize) -> Resource {
    let keys = (0..13)
        .map(|key| attribute(&format!("resource.attribute.{key}"), text("value of an attribute")));
    let name = attribute("service.name", text(&format!("service-{service}")));
    Resource { attributes: keys.chain([name]).collect(), ..Resource::default() }
}

fn scope_spans(name: &str, spans: Vec<Span>) -> ScopeSpans {
    let scope = InstrumentationScope {
        name: name.to_owned(),
        version: "1.0".to_owned(),
        ..InstrumentationScope::default()
    };
    ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn attribute(key: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

const SERVICES: usize = 4;
const SCOPES: [&str; 2] = ["net/http", "database/sql"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_its_spans_and_no_trace_of_another() {
        let decoded = |number| crate::peers::decoded(&request(number)).unwrap();
        let ids = |number| -> Vec<Vec<u8>> {
            let decoded = decoded(number);
            let mut ids: Vec<Vec<u8>> =
                spanwise_testkit::spans(&decoded).map(|span| span.trace_id.clone()).collect();
            assert_eq!(ids.len(), SPANS);
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), TRACES);
            ids
        };
        let (first, second) = (ids(1), ids(2));
        assert!(first.iter().all(|id| !second.contains(id)));
        assert_eq!(decoded(1).resource_spans.len(), SERVICES);
    }
}

//! Requests whose trace ids count up, so that a receiver finds out which spans it lacks.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;

use crate::peers::Request;

/// Traces of a request.
pub(super) const TRACES: u64 = 200;
/// Spans of a trace.
pub(super) const SPANS_OF_A_TRACE: u64 = 5;
/// Spans of a request.
pub(super) const SPANS: u64 = TRACES * SPANS_OF_A_TRACE;

/// A request, of which each copy has traces of its own.
pub(super) struct Template {
    bytes: Vec<u8>,
    /// The places of the trace ids in it, with the number of the trace.
    places: Vec<(usize, u64)>,
}

impl Template {
    pub(super) fn new() -> Self {
        let spans = (0..TRACES)
            .flat_map(|trace| (0..SPANS_OF_A_TRACE).map(move |place| span(trace, place)));
        let request = Request {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(InstrumentationScope {
                        name: "shop".to_owned(),
                        ..InstrumentationScope::default()
                    }),
                    spans: spans.collect(),
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        let bytes = request.encode_to_vec();
        let tag = TAG.to_be_bytes();
        let tagged = bytes.windows(16).enumerate().filter(|(_, window)| window.starts_with(&tag));
        let traces = tagged.filter_map(|(at, id)| Some((at, number(id.try_into().ok()?)?)));
        let places = traces.filter(|(_, trace)| *trace < TRACES).collect();
        Self { bytes, places }
    }

    /// The request with the traces from number `first` on.
    pub(super) fn request(&self, first: u64) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for &(at, trace) in &self.places {
            if let Some(place) = bytes.get_mut(at..at + 16) {
                place.copy_from_slice(&trace_id(first + trace));
            }
        }
        bytes
    }
}

/// The id of the trace with this number: all ids look random.
fn trace_id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&TAG.to_be_bytes());
    id[8..].copy_from_slice(&mix(number).to_be_bytes());
    id
}

/// The number of the trace with this id, if it is one of the load.
pub(super) fn number(trace_id: [u8; 16]) -> Option<u64> {
    let [high, low] =
        [0, 8].map(|at| trace_id.get(at..at + 8).and_then(|half| half.try_into().ok()));
    (u64::from_be_bytes(high?) == TAG).then_some(unmix(u64::from_be_bytes(low?)))
}

/// A permutation of all numbers.
fn mix(number: u64) -> u64 {
    let one = number.wrapping_mul(MULTIPLIER);
    (one ^ one >> 32).wrapping_mul(MULTIPLIER)
}

fn unmix(mixed: u64) -> u64 {
    let one = mixed.wrapping_mul(INVERSE);
    (one ^ one >> 32).wrapping_mul(INVERSE)
}

/// One trace in ten is slow, and one in a hundred has an error.
fn span(trace: u64, place: u64) -> Span {
    let start = 1_780_000_000_000_000_000 + trace * 1_000_000;
    let millis = if trace % 10 == 3 && place == 0 { 900 } else { 20 };
    let has_error = trace % 100 == 7 && place == 1;
    let texts = [
        ("http.request.method", "GET"),
        ("url.path", "/users/17/orders"),
        ("http.route", "/users/{id}/orders"),
        ("server.address", "shop.example.com"),
        (
            "db.query.text",
            "SELECT id, total FROM orders WHERE user_id = $1 ORDER BY placed_at DESC",
        ),
    ];
    let mut attributes: Vec<KeyValue> =
        texts.iter().map(|(key, text)| attribute(key, text)).collect();
    attributes.push(KeyValue {
        key: "http.response.status_code".to_owned(),
        value: Some(AnyValue { value: Some(Value::IntValue(if has_error { 500 } else { 200 })) }),
        ..KeyValue::default()
    });
    let id = (trace * SPANS_OF_A_TRACE + place + 1).to_be_bytes().to_vec();
    let parent = (trace * SPANS_OF_A_TRACE + 1).to_be_bytes().to_vec();
    Span {
        trace_id: trace_id(trace).to_vec(),
        span_id: id,
        parent_span_id: if place == 0 { Vec::new() } else { parent },
        name: if place == 0 { "GET /users/{id}/orders" } else { "SELECT orders" }.to_owned(),
        kind: if place == 0 { 2 } else { 3 },
        start_time_unix_nano: start,
        end_time_unix_nano: start + millis * 1_000_000,
        attributes,
        status: has_error.then(|| Status { message: "no connection".to_owned(), code: 2 }),
        ..Span::default()
    }
}

fn resource() -> Resource {
    let texts = [
        ("service.name", "shop"),
        ("service.version", "1.4.2"),
        ("host.name", "host-17"),
        ("k8s.pod.name", "shop-6f7c9d8b5-x2x7q"),
    ];
    Resource {
        attributes: texts.iter().map(|(key, text)| attribute(key, text)).collect(),
        ..Resource::default()
    }
}

fn attribute(key: &str, text: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// The first half of all ids.
const TAG: u64 = 0x7370_616e_7769_7365;
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Its inverse: their product is 1.
const INVERSE: u64 = 0xf1de_83e1_9937_733d;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_has_traces_of_its_own_with_numbers_in_their_ids() {
        let template = Template::new();
        let decoded = crate::peers::decoded(&template.request(1_000)).unwrap();
        let mut numbers: Vec<u64> = spanwise_testkit::spans(&decoded)
            .filter_map(|span| number(span.trace_id.as_slice().try_into().ok()?))
            .collect();
        assert_eq!(numbers.len() as u64, SPANS);
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, (1_000..1_000 + TRACES).collect::<Vec<_>>());
        for number in [0, 1, 77, u64::MAX] {
            assert_eq!(unmix(mix(number)), number);
        }
        assert_eq!(number([0; 16]), None);
    }
}

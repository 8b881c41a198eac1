//! The comparison of received spans with those that were sent.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};

/// Decoded spans with their groups.
pub(crate) type Request = ExportTraceServiceRequest;

/// Decodes one request strictly.
///
/// # Errors
/// The bytes are not a strict OTLP request.
pub(crate) fn decoded(bytes: &[u8]) -> Result<Request, String> {
    spanwise_testkit::try_decode(bytes).map_err(|error| error.to_string())
}

/// The groups of `request` whose resource has this `service.name`.
pub(crate) fn of_service(request: &Request, name: &str) -> Request {
    let mut groups = request.resource_spans.clone();
    groups.retain(|group| service_name(group) == Some(name));
    Request { resource_spans: groups }
}

/// The `service.name` of a group's resource.
pub(crate) fn service_name(group: &ResourceSpans) -> Option<&str> {
    let attributes = &group.resource.as_ref()?.attributes;
    let attribute = attributes.iter().find(|attribute| attribute.key == "service.name")?;
    match attribute.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(name) => Some(name),
        _ => None,
    }
}

/// The number of spans.
pub(crate) fn spans_of(request: &Request) -> usize {
    spanwise_testkit::spans(request).count()
}

/// Compares spans one by one, whatever their order and groups.
///
/// Resources and the random flag are left out, because the expected spans are those of the stock SDK, which
/// has others. All NaN are one, because JSON has one.
///
/// # Errors
/// The first differences.
pub(crate) fn compare(received: &Request, sent: &Request) -> Result<(), String> {
    let (mut received, mut sent) = (received.clone(), sent.clone());
    normalize(&mut received);
    normalize(&mut sent);
    match spanwise_testkit::difference(&sent, &received) {
        None => Ok(()),
        Some(difference) => {
            let lines: Vec<&str> = difference.lines().take(SHOWN).collect();
            Err(format!("the spans differ (- sent, + received):\n    {}", lines.join("\n    ")))
        }
    }
}

fn normalize(request: &mut Request) {
    for group in &mut request.resource_spans {
        group.resource = None;
        group.schema_url.clear();
        for scope in &mut group.scope_spans {
            scope.scope.iter_mut().for_each(|scope| one_nan(&mut scope.attributes));
            scope.spans.iter_mut().for_each(normalize_span);
        }
    }
}

fn normalize_span(span: &mut Span) {
    span.flags &= !RANDOM;
    one_nan(&mut span.attributes);
    span.events.iter_mut().for_each(|event| one_nan(&mut event.attributes));
    for link in &mut span.links {
        one_nan(&mut link.attributes);
    }
}

fn one_nan(attributes: &mut [KeyValue]) {
    attributes.iter_mut().filter_map(|attribute| attribute.value.as_mut()).for_each(one_nan_in);
}

fn one_nan_in(value: &mut AnyValue) {
    match &mut value.value {
        Some(any_value::Value::DoubleValue(number)) if number.is_nan() => *number = f64::NAN,
        Some(any_value::Value::ArrayValue(array)) => array.values.iter_mut().for_each(one_nan_in),
        Some(any_value::Value::KvlistValue(list)) => one_nan(&mut list.values),
        _ => {}
    }
}

/// The flag of a trace id that is random.
const RANDOM: u32 = 0x02;
/// Lines of a difference.
const SHOWN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::ScopeSpans;

    fn double(number: f64) -> KeyValue {
        let value = Some(AnyValue { value: Some(any_value::Value::DoubleValue(number)) });
        KeyValue { key: "number".to_owned(), value, ..KeyValue::default() }
    }

    fn request(service: &str, name: &str, number: f64) -> Request {
        let text = any_value::Value::StringValue(service.to_owned());
        let value = Some(AnyValue { value: Some(text) });
        let key = "service.name".to_owned();
        let attributes = vec![KeyValue { key, value, ..KeyValue::default() }];
        let resource = Some(Resource { attributes, ..Resource::default() });
        let attributes = vec![double(number)];
        let span = Span { name: name.to_owned(), attributes, flags: RANDOM, ..Span::default() };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        Request {
            resource_spans: vec![ResourceSpans {
                resource,
                scope_spans,
                ..ResourceSpans::default()
            }],
        }
    }

    #[test]
    fn spans_of_another_service_are_left_out() {
        let mut both = request("shop", "a", 1.0);
        both.resource_spans.extend(request("other", "b", 1.0).resource_spans);
        assert_eq!(of_service(&both, "shop"), request("shop", "a", 1.0));
        assert_eq!(spans_of(&of_service(&both, "none")), 0);
    }

    #[test]
    fn equal_spans_compare_equal_and_one_name_does_not() {
        let other_nan = f64::from_bits(f64::NAN.to_bits() | 1);
        let nan = request("x", "a", f64::NAN);
        assert_eq!(compare(&nan, &request("y", "a", other_nan)), Ok(()));
        let problem = compare(&nan, &request("x", "b", f64::NAN)).unwrap_err();
        assert!(problem.contains("differ"), "{problem}");
        assert!(compare(&request("x", "a", 0.0), &request("x", "a", -0.0)).is_err());
    }
}

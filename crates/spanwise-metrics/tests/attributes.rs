//! The sketch of attributes against an exact count, by prost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use spanwise_metrics::{AttributeKey, AttributePlace, AttributeReport, AttributeSketch};
use std::collections::{HashMap, HashSet};

fn attribute(key: impl Into<String>, value: impl Into<String>) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..KeyValue::default() }
}

fn request(resource: Vec<KeyValue>, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        attributes: vec![attribute("scope.key", "s")],
        ..InstrumentationScope::default()
    };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes: resource, ..Resource::default() });
    let resource = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }
}

fn with_attributes(attributes: Vec<KeyValue>) -> Span {
    Span { attributes, ..Span::default() }
}

fn report_of(request: &ExportTraceServiceRequest, max_keys: usize) -> AttributeReport {
    let mut sketch = AttributeSketch::new(max_keys);
    sketch.add_request(&request.encode_to_vec()).unwrap();
    sketch.report()
}

fn find<'r>(report: &'r AttributeReport, place: AttributePlace, key: &str) -> &'r AttributeKey {
    report.keys.iter().find(|it| it.place == place && it.key == key).unwrap()
}

/// Occurrences, bytes and values.
#[derive(Debug, Default)]
struct Exact {
    occurrences: u64,
    bytes: u64,
    values: HashSet<Vec<u8>>,
}

fn exact(request: &ExportTraceServiceRequest) -> HashMap<(AttributePlace, String), Exact> {
    let mut counts: HashMap<_, Exact> = HashMap::new();
    let mut add = |place: AttributePlace, attributes: &[KeyValue]| {
        for attribute in attributes {
            let exact = counts.entry((place, attribute.key.clone())).or_default();
            exact.occurrences += 1;
            let len = attribute.encoded_len();
            exact.bytes += (1 + prost::length_delimiter_len(len) + len) as u64;
            exact.values.insert(attribute.value.as_ref().unwrap().encode_to_vec());
        }
    };
    for resource in &request.resource_spans {
        add(AttributePlace::Resource, &resource.resource.as_ref().unwrap().attributes);
        for scope in &resource.scope_spans {
            add(AttributePlace::Scope, &scope.scope.as_ref().unwrap().attributes);
            for span in &scope.spans {
                add(AttributePlace::Span, &span.attributes);
                span.events.iter().for_each(|it| add(AttributePlace::Event, &it.attributes));
                span.links.iter().for_each(|it| add(AttributePlace::Link, &it.attributes));
            }
        }
    }
    counts
}

fn attributes(keys: u32) -> impl Strategy<Value = Vec<KeyValue>> {
    // Low numbers of keys are frequent ones.
    let key = (0..keys, 0..keys).prop_map(|(a, b)| a.min(b));
    let parts = (key, 0u32..200, 0usize..40);
    let attribute = parts.prop_map(|(key, value, len)| {
        attribute(format!("key {key}"), format!("{value}{}", "v".repeat(len)))
    });
    vec(attribute, 0..12)
}

fn spans(keys: u32) -> impl Strategy<Value = Vec<Span>> {
    let span = (attributes(keys), attributes(keys), attributes(keys));
    let span = span.prop_map(|(attributes, event, link)| Span {
        attributes,
        events: vec![span::Event { attributes: event, ..Default::default() }],
        links: vec![span::Link { attributes: link, ..Default::default() }],
        ..Span::default()
    });
    vec(span, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sketch_with_space_for_all_keys_is_exact_up_to_the_estimates(
        resource in attributes(20),
        spans in spans(20),
    ) {
        let request = request(resource, spans);
        let (report, exact) = (report_of(&request, 1024), exact(&request));
        prop_assert_eq!(report.keys.len(), exact.len());
        prop_assert_eq!((report.replaced_keys, report.malformed), (0, 0));
        prop_assert_eq!(report.bytes, request.encoded_len() as u64);
        prop_assert_eq!(report.attribute_bytes, exact.values().map(|it| it.bytes).sum::<u64>());
        for key in &report.keys {
            let exact = &exact[&(key.place, key.key.clone())];
            prop_assert_eq!((key.occurrences, key.bytes, key.bytes_error), (exact.occurrences, exact.bytes, 0));
            let values = exact.values.len() as u64;
            prop_assert_eq!(key.is_exact, values <= 64);
            // Five standard errors.
            let error = if key.is_exact { 0.0 } else { 0.115 * values as f64 };
            prop_assert!((key.values as f64 - values as f64).abs() <= error, "{:?}: {}", key, values);
        }
        prop_assert!(report.keys.windows(2).all(|pair| pair[0].bytes >= pair[1].bytes));
    }

    #[test]
    fn a_full_sketch_has_every_heavy_key_within_its_error(
        resource in attributes(3),
        spans in spans(400),
        max_keys in 1usize..60,
    ) {
        let request = request(resource, spans);
        let (report, exact) = (report_of(&request, max_keys), exact(&request));
        prop_assert!(report.keys.len() <= max_keys);
        prop_assert_eq!(report.attribute_bytes, exact.values().map(|it| it.bytes).sum::<u64>());
        let bound = 2 * report.attribute_bytes / max_keys as u64;
        for ((place, name), exact) in &exact {
            let key = report.keys.iter().find(|it| it.place == *place && it.key == *name);
            prop_assert!(key.is_some() || exact.bytes <= bound, "{} has {} bytes", name, exact.bytes);
        }
        for key in &report.keys {
            let exact = &exact[&(key.place, key.key.clone())];
            prop_assert!(key.bytes <= exact.bytes && exact.bytes <= key.bytes + key.bytes_error);
            prop_assert!(key.bytes_error <= bound, "{:?}, {}", key, bound);
            prop_assert!(key.occurrences <= exact.occurrences);
        }
    }

    #[test]
    fn bytes_that_are_no_request_are_an_error_or_counted(
        message in vec(any::<u8>(), 0..300),
        spans in spans(9),
        change in (any::<prop::sample::Index>(), any::<u8>()),
    ) {
        let mut damaged = request(Vec::new(), spans).encode_to_vec();
        let at = change.0.index(damaged.len());
        damaged[at] = change.1;
        let mut sketch = AttributeSketch::new(8);
        for message in [&message, &damaged] {
            let _error = sketch.add_request(message);
            sketch.add_span(message);
        }
        let report = sketch.report();
        prop_assert!(report.attribute_bytes <= report.bytes);
        prop_assert!(report.keys.iter().map(|it| it.bytes).sum::<u64>() <= report.bytes);
    }
}

#[test]
fn a_million_keys_take_no_more_memory_and_leave_the_heavy_ones() {
    let mut sketch = AttributeSketch::new(256);
    for number in 0..250_000_u32 {
        let mut attributes = vec![attribute("db.query.text", format!("SELECT {}", number % 7))];
        attributes
            .extend((0..4).map(|it| attribute(format!("user.{}.name", number * 4 + it), "x")));
        sketch.add_span(&with_attributes(attributes).encode_to_vec());
    }
    let report = sketch.report();
    assert_eq!((report.keys.len(), report.spans), (256, 250_000));
    let heavy = &report.keys[0];
    assert_eq!(
        (heavy.key.as_str(), heavy.occurrences, heavy.values),
        ("db.query.text", 250_000, 7)
    );
    let error = report.distinct_keys as f64 / 1_000_001.0 - 1.0;
    assert!(error.abs() < 0.1, "{}", report.distinct_keys);
    assert!(report.replaced_keys > 900_000);
    let advice = report.advice();
    assert!(advice.iter().any(|it| it.contains("keys are made of data")), "{advice:?}");
}

#[test]
fn advice_names_heavy_constant_unique_and_repeated_keys() {
    let span = |number: u32| {
        let mut attributes = vec![
            attribute("db.query.text", format!("SELECT * FROM orders_{}", number % 5)),
            attribute("request.id", format!("{number:08}")),
            attribute("deployment.environment.name", "production"),
            attribute("service.name", format!("shop {}", number % 3)),
        ];
        if number.is_multiple_of(2) {
            attributes.push(attribute("url.scheme", "https"));
        }
        with_attributes(attributes)
    };
    let resource = vec![attribute("service.name", "shop")];
    let report = report_of(&request(resource, (0..10_000).map(span).collect()), 1024);
    let unique = find(&report, AttributePlace::Span, "request.id");
    assert!(unique.is_near_unique() && !unique.is_exact && !unique.has_one_value(), "{unique:?}");
    let estimate = unique.values;
    let mut advice = report.advice();
    let has_estimate = |it: &String| it.starts_with("`request.id` has about ");
    let at = advice.iter().position(has_estimate).unwrap();
    let sentence = advice.remove(at);
    assert!(
        sentence
            .ends_with(" values in 10,000 spans: do not index it, and do not group metrics by it")
    );
    assert!((9_000..=10_000).contains(&estimate), "{estimate}");
    assert_eq!(
        advice,
        [
            "The attributes `deployment.environment.name`, `db.query.text` and `request.id` make 74 % of the bytes",
            "`deployment.environment.name` has one value in 10,000 spans: make it a resource attribute, and save 29 % of the bytes",
            "`url.scheme` has one value in the 5,000 spans that have it: leave it out if it is known, and save 7.4 % of the bytes",
            "`service.name` is an attribute of spans and of their resource: leave it out of spans",
        ]
    );
}

#[test]
fn values_are_in_no_text_and_keys_move_no_cursor() {
    let secret = "hunter2canary";
    let attributes =
        vec![attribute("a\u{1b}[2J\n\u{202e}b", secret), attribute("password", secret)];
    let spans = (0..200).map(|_| with_attributes(attributes.clone())).collect();
    let request = request(vec![attribute("token", secret)], spans);
    let mut sketch = AttributeSketch::new(8);
    sketch.add_request(&request.encode_to_vec()).unwrap();
    let report = sketch.report();
    let printed = format!("{sketch:?} {report:?} {:?}", report.advice());
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(report.keys.iter().any(|it| it.key == "a\u{fffd}[2J\u{fffd}\u{fffd}b"), "{report:?}");
    assert!(report.advice().iter().all(|it| !it.contains(['\n', '\u{1b}'])));
}

#[test]
fn keys_of_any_length_and_bytes_are_bounded() {
    let mut sketch = AttributeSketch::new(4);
    let span = with_attributes(vec![attribute("k".repeat(1 << 20), "x"), attribute("", "y")]);
    sketch.add_span(&span.encode_to_vec());
    // A key that is not UTF-8.
    sketch.add_span(&[0x4a, 4, 0x0a, 2, 0xff, 0xfe]);
    let report = sketch.report();
    assert_eq!(report.keys.len(), 3);
    assert!(report.keys.iter().all(|it| it.key.len() <= 128), "{report:?}");
    assert!(AttributeSketch::max_bytes(1024) < 3 << 20, "{}", AttributeSketch::max_bytes(1024));
}

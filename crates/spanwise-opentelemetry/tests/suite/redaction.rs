//! The wrappers around exporters and processors of the stock SDK redact as the native provider does, and as the processor and the exporter
//! of this crate do.

use crate::support;

use opentelemetry::trace::{Event, Link, Status, Tracer as _, TracerProvider as _};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value::{ArrayValue, IntValue, StringValue};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue as ProtoKeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, Sampler, SdkTracerProvider, SimpleSpanProcessor, SpanData,
    SpanExporter as _, SpanProcessor as _,
};
use proptest::prelude::*;
use spanwise_opentelemetry::{RedactingSpanExporter, RedactingSpanProcessor};
use spanwise_receiver::Receiver;
use spanwise_redact::{Action, Preset, Redactor, Rule};
use spanwise_testkit::generate::{Shape, span_specs};
use spanwise_testkit::{SpanSpec, assert_same_spans, forget_generated_ids, replay_on};
use std::collections::HashSet;
use std::mem::discriminant;
use std::time::UNIX_EPOCH;
use support::{LONG, exporter, processor, received, recorded, stock};

/// Rules that change random keys and texts.
fn rules() -> Redactor {
    Redactor::builder()
        .with_rule(Rule::delete(["*q*"]))
        .with_rule(Rule::rename("a", "b"))
        .with_rule(Rule::new(Action::Truncate(12)).with_keys(["*e*"]))
        .with_rule(Rule::mask_values("[aeiou]+"))
        .with_rule(Rule::new(Action::Hash).with_value_pattern("[0-9]{2,}"))
        .with_hash_key(*b"0123456789abcdef")
        .build()
        .unwrap()
}

fn mails() -> Redactor {
    Redactor::builder().with_preset(Preset::Email).build().unwrap()
}

fn resource() -> Resource {
    let attributes = [KeyValue::new("service.name", "shop"), KeyValue::new("zone", "eu-west-10")];
    Resource::builder_empty().with_schema_url(attributes, "https://schema.example").build()
}

/// The request of the stock exporter behind the wrapper of an exporter.
fn wrapped(spans: Vec<SpanData>) -> ExportTraceServiceRequest {
    let behind = InMemorySpanExporter::default();
    let mut wrapper = RedactingSpanExporter::new(behind.clone(), rules());
    wrapper.set_resource(&resource());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(wrapper.export(spans)).unwrap();
    assert_eq!(wrapper.failures(), 0);
    stock(&redacted_resource(), behind.get_finished_spans().unwrap())
}

/// The resource that an exporter behind the wrapper gets.
fn redacted_resource() -> Resource {
    #[derive(Debug, Clone, Default)]
    struct Seen(std::sync::Arc<std::sync::Mutex<Option<Resource>>>);

    impl opentelemetry_sdk::trace::SpanExporter for Seen {
        async fn export(&self, _: Vec<SpanData>) -> opentelemetry_sdk::error::OTelSdkResult {
            Ok(())
        }

        fn set_resource(&mut self, resource: &Resource) {
            *self.0.lock().unwrap() = Some(resource.clone());
        }
    }

    let seen = Seen::default();
    RedactingSpanExporter::new(seen.clone(), rules()).set_resource(&resource());
    seen.0.lock().unwrap().take().unwrap()
}

/// The request of our processor and that of our exporter with the same rules.
fn encoded(spans: &[SpanData]) -> [ExportTraceServiceRequest; 2] {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let builder = processor().with_endpoint(receiver.http_endpoint()).with_redaction(rules());
    let mut processor = builder.build().unwrap();
    processor.set_resource(&resource());
    spans.iter().for_each(|span| processor.on_end(span.clone()));
    processor.shutdown_with_timeout(LONG).unwrap();
    let by_processor = received(&collected);

    let (receiver, collected) = Receiver::collecting().unwrap();
    let builder = exporter().with_endpoint(receiver.http_endpoint()).with_redaction(rules());
    let mut exporter = builder.build().unwrap();
    exporter.set_resource(&resource());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(exporter.export(spans.to_vec())).unwrap();
    exporter.shutdown_with_timeout(LONG).unwrap();
    [by_processor, received(&collected)]
}

/// The request of the native provider for the same calls.
fn native(specs: &[SpanSpec]) -> ExportTraceServiceRequest {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let provider = spanwise_sdk::Spanwise::builder()
        .with_environment(|_| None)
        .with_diagnostics(|_| {})
        .with_endpoint(receiver.http_endpoint())
        .with_sampler(spanwise_sdk::sampling::Sampler::always_on())
        .with_redaction(rules())
        .build()
        .unwrap();
    for spec in specs {
        replay_on(&provider, spec);
    }
    provider.shutdown_timeout(LONG).unwrap();
    received(&collected)
}

/// Removes the fields in which two providers may differ.
fn normalize(request: &mut ExportTraceServiceRequest) {
    forget_generated_ids(request);
    for group in &mut request.resource_spans {
        (group.resource, group.schema_url) = (None, String::new());
        for span in group.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
            // The trace ids of the native provider have the random flag.
            span.flags &= !2;
            span.status = Some(span.status.take().unwrap_or_default());
        }
    }
}

/// A list of numbers of which a rule has changed some is one of strings for the API, which has no list of several types.
fn lists_of_one_type(request: &mut ExportTraceServiceRequest) {
    for group in &mut request.resource_spans {
        for scope in &mut group.scope_spans {
            let scope_attributes = scope.scope.iter_mut().flat_map(|it| &mut it.attributes);
            scope_attributes.for_each(list_of_one_type);
            for span in &mut scope.spans {
                let of_events = span.events.iter_mut().flat_map(|it| &mut it.attributes);
                let of_links = span.links.iter_mut().flat_map(|it| &mut it.attributes);
                let all = span.attributes.iter_mut().chain(of_events).chain(of_links);
                all.for_each(list_of_one_type);
            }
        }
    }
}

fn list_of_one_type(attribute: &mut ProtoKeyValue) {
    let Some(AnyValue { value: Some(ArrayValue(array)) }) = &mut attribute.value else { return };
    let kinds: HashSet<_> =
        array.values.iter().map(|it| it.value.as_ref().map(discriminant)).collect();
    if kinds.len() < 2 {
        return;
    }
    for element in array.values.iter_mut().flat_map(|it| &mut it.value) {
        if let IntValue(number) = element {
            *element = StringValue(number.to_string());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn all_ways_give_the_same_spans(specs in span_specs(&Shape::default(), 1..8)) {
        let spans = recorded(&specs);
        let mut by_wrapper = wrapped(spans.clone());
        for mut request in encoded(&spans) {
            lists_of_one_type(&mut request);
            assert_same_spans(&request, &by_wrapper);
        }
        let mut by_native = native(&specs);
        lists_of_one_type(&mut by_native);
        normalize(&mut by_native);
        normalize(&mut by_wrapper);
        assert_same_spans(&by_native, &by_wrapper);
    }
}

/// A span with an address in each place.
fn mail_span() -> SpanData {
    let attributes = || vec![KeyValue::new("to", "ann@example.com"), KeyValue::new("n", 7)];
    let mut span = support::span(5);
    span.name = "mail to ann@example.com".into();
    span.attributes = attributes();
    let list = Array::String(vec!["x".into(), "ann@example.com".into()]);
    span.attributes.push(KeyValue::new("list", Value::Array(list)));
    span.events.events.push(Event::new("for ann@example.com", UNIX_EPOCH, attributes(), 2));
    span.links.links.push(Link::new(span.span_context.clone(), attributes(), 3));
    span.status = Status::error("no ann@example.com");
    span.instrumentation_scope = InstrumentationScope::builder("mail")
        .with_version("1.2")
        .with_schema_url("https://schema.example")
        .with_attributes(attributes())
        .build();
    span
}

#[test]
fn what_no_rule_reaches_stays() {
    let behind = InMemorySpanExporter::default();
    let wrapper = RedactingSpanProcessor::new(SimpleSpanProcessor::new(behind.clone()), mails());
    let (span, plain) = (mail_span(), support::span(6));
    wrapper.on_end(span.clone());
    wrapper.on_end(plain.clone());
    let redacted = behind.get_finished_spans().unwrap();
    let mut expected = span;
    let masked = || vec![KeyValue::new("to", "****"), KeyValue::new("n", 7)];
    expected.name = "mail to ****".into();
    expected.attributes = masked();
    let list = Array::String(vec!["x".into(), "****".into()]);
    expected.attributes.push(KeyValue::new("list", Value::Array(list)));
    expected.events.events[0].name = "for ****".into();
    expected.events.events[0].attributes = masked();
    expected.links.links[0].attributes = masked();
    expected.status = Status::error("no ****");
    let scope = &redacted[0].instrumentation_scope;
    assert!(scope.attributes().eq(masked().iter()), "{scope:?}");
    assert_eq!((scope.name(), scope.version()), ("mail", Some("1.2")));
    assert_eq!(scope.schema_url(), Some("https://schema.example"));
    expected.instrumentation_scope = scope.clone();
    assert_eq!(redacted, [expected, plain]);
    assert_eq!(wrapper.redactor().counts()[0].count, 8);
    assert_eq!(wrapper.failures(), 0);
}

/// Two processors of one provider: the wrapper protects the one behind it alone.
#[test]
fn the_wrapper_redacts_for_the_processor_behind_it() {
    let (raw, redacted) = (InMemorySpanExporter::default(), InMemorySpanExporter::default());
    let wrapper = RedactingSpanProcessor::new(SimpleSpanProcessor::new(redacted.clone()), mails());
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder_empty().with_attribute(mail()).build())
        .with_sampler(Sampler::AlwaysOn)
        .with_span_processor(wrapper)
        .with_simple_exporter(raw.clone())
        .build();
    let tracer = provider.tracer("shop");
    drop(tracer.start_with_context("mail to ann@example.com", &Context::new()));
    provider.force_flush().unwrap();
    let [raw, redacted] = [raw, redacted].map(|it| it.get_finished_spans().unwrap());
    assert_eq!((&*raw[0].name, &*redacted[0].name), ("mail to ann@example.com", "mail to ****"));
    assert_eq!(raw[0].span_context, redacted[0].span_context);
    provider.shutdown().unwrap();
}

fn mail() -> KeyValue {
    KeyValue::new("owner", "ann@example.com")
}

/// Threads that find the buffers in use take new ones.
#[test]
fn threads_redact_at_once() {
    let behind = InMemorySpanExporter::default();
    let wrapper = RedactingSpanProcessor::new(SimpleSpanProcessor::new(behind.clone()), mails());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| wrapper.on_end(mail_span())));
        }
    });
    let spans = behind.get_finished_spans().unwrap();
    assert_eq!(spans.len(), 400);
    assert!(spans.iter().all(|span| span.name == "mail to ****"));
}

//! Settings with several sources: code, the signal's variable, the generic variable, a default.

use crate::support::LONG;
use crate::with;
use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::trace::Tracer as _;
use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::{Protocol, SpanwiseBuilder};
use spanwise_testkit::{attributes_map, decode, spans};
use spanwise_transport::Outcome;
use std::future::ready;
use std::sync::{Arc, Mutex};

/// Resource semantic conventions, *service.name*: where it is not specified, `unknown_service:` and
/// the executable. Env: an empty value is no value; OTEL_SERVICE_NAME stands above the list.
#[test]
fn an_empty_service_name_is_none() {
    let attribute = |name: &str| [KeyValue::new("service.name", name.to_owned())];
    let list = |value| with(&[("OTEL_RESOURCE_ATTRIBUTES", value)]);
    for (builder, expected) in [
        (with(&[]).with_service_name(""), "unknown_service:"),
        (with(&[]).with_service_name(" \t"), "unknown_service:"),
        (with(&[]).with_resource(attribute("")), "unknown_service:"),
        (with(&[("OTEL_SERVICE_NAME", "  ")]), "unknown_service:"),
        (list("service.name="), "unknown_service:"),
        (list("service.name=%20"), "unknown_service:"),
        (list("service.name=a,service.name="), "\"a\""),
        (list("service.name=a,service.name=b"), "\"b\""),
        (list("service.name=a").with_service_name(""), "\"a\""),
        (list("service.name=a").with_resource(attribute("b")), "\"b\""),
        (with(&[("OTEL_SERVICE_NAME", "a")]).with_resource(attribute("")), "\"a\""),
        (with(&[]).with_resource(attribute("a")).with_service_name(""), "\"a\""),
        (with(&[]).with_resource(attribute("a")).with_service_name("b"), "\"b\""),
    ] {
        let name = service_name(builder);
        assert!(name.contains(expected), "{name} is not {expected}");
    }
}

fn service_name(builder: SpanwiseBuilder) -> String {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let sink = bodies.clone();
    let spanwise = builder
        .with_sink(move |request: Bytes| {
            sink.lock().unwrap().push(Bytes::copy_from_slice(&request));
            ready(Outcome::Accepted { rejected: 0, message: None })
        })
        .build()
        .unwrap();
    drop(spanwise.tracer("x").start("span"));
    spanwise.shutdown_timeout(LONG).unwrap();
    let request = decode(&bodies.lock().unwrap()[0]);
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    let map = attributes_map(&resource.attributes);
    assert_eq!(map.len(), resource.attributes.len(), "keys are unique");
    format!("{:?}", map["service.name"])
}

/// OTLP: an option of the signal takes precedence over the generic one. W3C Baggage, whose form
/// the list has: of two entries with one key the last counts. RFC 9110, 5.1: names of headers are
/// case-insensitive.
#[test]
fn a_header_of_two_sources_is_sent_once() {
    const GENERIC: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    const SIGNAL: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
    let cases: [(SpanwiseBuilder, &[(&str, &str)]); 6] = [
        (with(&[(GENERIC, "Api-Key=g")]).with_header("api-key", "code"), &[("api-key", "code")]),
        (
            with(&[(GENERIC, "api-key=g,other=g")]).with_header("API-KEY", "code"),
            &[("api-key", "code"), ("other", "g")],
        ),
        (with(&[(GENERIC, "api-key=g,other=g"), (SIGNAL, "api-key=s")]), &[("api-key", "s")]),
        (with(&[(GENERIC, "api-key=1,Api-Key=2")]), &[("api-key", "2")]),
        (with(&[]).with_header("a", "1").with_header("A", "2"), &[("a", "2")]),
        // The provider does not parse a value that code replaces.
        (with(&[(GENERIC, "api-key=%00")]).with_header("api-key", "code"), &[("api-key", "code")]),
    ];
    for (builder, expected) in cases {
        let mut protocols = vec![Protocol::HttpProtobuf, Protocol::HttpJson];
        protocols.extend(cfg!(feature = "grpc").then_some(Protocol::Grpc));
        for protocol in protocols {
            let headers = headers(builder.clone(), protocol);
            for name in ["api-key", "other", "a"] {
                let found = headers.iter().filter(|(found, _)| found == name);
                let found: Vec<_> = found.map(|(_, value)| value.as_str()).collect();
                let expected = expected.iter().filter(|(expected, _)| *expected == name);
                let expected: Vec<_> = expected.map(|(_, value)| *value).collect();
                assert_eq!(found, expected, "{name} over {protocol}");
            }
        }
    }
}

/// The headers of a request that a receiver gets over `protocol`.
fn headers(builder: SpanwiseBuilder, protocol: Protocol) -> Vec<(String, String)> {
    let last = Arc::new(Mutex::new(Vec::new()));
    let received = last.clone();
    let receiver = Receiver::builder()
        .with_handler(move |export| {
            let headers = export.headers.iter();
            let headers = headers.map(|(name, value)| (name.to_string(), text(value)));
            *received.lock().unwrap() = headers.collect();
            Answer::Accept
        })
        .start()
        .unwrap();
    let builder = builder.with_protocol(protocol).with_endpoint(receiver.http_endpoint());
    let spanwise = builder.build().unwrap();
    drop(spanwise.tracer("x").start("span"));
    spanwise.shutdown_timeout(LONG).unwrap();
    std::mem::take(&mut *last.lock().unwrap())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last value in code counts, and code precedes `OTEL_RESOURCE_ATTRIBUTES`.
#[test]
fn a_resource_attribute_of_two_sources_is_sent_once() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let spanwise = with(&[("OTEL_RESOURCE_ATTRIBUTES", "a=1,a=2,b=list,c=list")])
        .with_resource([KeyValue::new("b", "first")])
        .with_resource([KeyValue::new("b", "code")])
        .with_endpoint(receiver.http_endpoint())
        .build()
        .unwrap();
    drop(spanwise.tracer("x").start("span"));
    spanwise.shutdown_timeout(LONG).unwrap();
    let request = decode(&collected.bodies()[0]);
    assert_eq!(spans(&request).count(), 1);
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    let map = attributes_map(&resource.attributes);
    assert_eq!(map.len(), resource.attributes.len(), "keys are unique");
    for (key, value) in [("a", "2"), ("b", "code"), ("c", "list")] {
        assert!(format!("{:?}", map[key]).contains(&format!("\"{value}\"")), "{key}");
    }
}

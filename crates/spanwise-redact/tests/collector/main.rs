//! Blocks of the Collector's processors change a request as the Collector does. `recorded.jsonl` is the output of its processors,
//! version 0.161.0, for `cases.yaml` and `traces.json`; `record.go` records it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use spanwise_config::Document;
use spanwise_redact::{Redacted, RedactorBuilder, Scratch};
use spanwise_wire::json::to_protobuf;

/// A request in JSON, in protobuf.
fn protobuf(json: &str) -> Vec<u8> {
    let mut request = Vec::new();
    to_protobuf(json.as_bytes(), 1 << 20, &mut request).unwrap();
    request
}

#[test]
fn blocks_of_the_collector_do_what_the_collector_does() {
    let input = protobuf(include_str!("traces.json"));
    let recorded: Vec<&str> = include_str!("recorded.jsonl").lines().collect();
    let cases: Vec<&str> = include_str!("cases.yaml").split("---\n").collect();
    assert_eq!(recorded.len(), cases.len());
    let (mut changed, mut different) = (0, Vec::new());
    for (case, recorded) in cases.into_iter().zip(recorded) {
        let (name, request) = split(recorded);
        assert!(case.starts_with(name), "{name}");
        let document = Document::parse("c.yaml", case.as_bytes(), |_| None).unwrap();
        let read = RedactorBuilder::from_document(&document, Some(name));
        let redactor = read.unwrap_or_else(|problems| panic!("{problems}")).value.build().unwrap();
        let mut scratch = Scratch::default();
        let ours = match redactor.redact_request(&input, &mut scratch) {
            Redacted::Unchanged => &input,
            Redacted::Changed(ours) => {
                changed += 1;
                ours
            }
        };
        let (ours, theirs) = (decode(ours), decode(&protobuf(request)));
        if ours != theirs {
            different.push(format!("{name}\nours   {ours:?}\ntheirs {theirs:?}"));
        }
        assert_eq!(redactor.failures(), 0, "{name}");
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(changed > 10, "{changed} cases change the request");
}

/// A request with attributes in the order of their keys: the Collector moves the last one into the place of a deleted one.
fn decode(bytes: &[u8]) -> ExportTraceServiceRequest {
    let mut request = ExportTraceServiceRequest::decode(bytes).unwrap();
    for span in request
        .resource_spans
        .iter_mut()
        .flat_map(|it| &mut it.scope_spans)
        .flat_map(|it| &mut it.spans)
    {
        span.attributes.sort_by(|one, other| one.key.cmp(&other.key));
    }
    request
}

/// The name of a case and the request behind it.
fn split(line: &str) -> (&str, &str) {
    let rest = line.strip_prefix(r#"{"case":""#).unwrap();
    let (name, request) = rest.split_once(r#"","request":"#).unwrap();
    (name, request.strip_suffix('}').unwrap())
}

//! Blocks of the Collector's processor `filter` leave out what the Collector leaves out. `recorded.jsonl` is the output of the processor,
//! version 0.161.0, for `cases.yaml` and `traces.json`; `tests/collector/record.go` of `spanwise-redact` records it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use spanwise_config::{Document, Problems, Read};
use spanwise_tail::{FilterError, SpanFilter};
use spanwise_wire::json::to_protobuf;

/// A request in JSON, in protobuf.
fn protobuf(json: &str) -> Vec<u8> {
    let mut request = Vec::new();
    to_protobuf(json.as_bytes(), 1 << 20, &mut request).unwrap();
    request
}

fn read(text: &str, processor: Option<&str>) -> Result<Read<SpanFilter>, Problems> {
    let document = Document::parse("c.yaml", text.as_bytes(), |_| None).unwrap();
    SpanFilter::from_document(&document, processor)
}

fn counts(request: &ExportTraceServiceRequest) -> (u64, u64) {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let spans: Vec<_> = scopes.flat_map(|scope| &scope.spans).collect();
    (spans.len() as u64, spans.iter().map(|span| span.events.len() as u64).sum())
}

#[test]
fn a_filter_leaves_out_what_the_collector_leaves_out() {
    let input = protobuf(include_str!("traces.json"));
    let decode = |bytes: &[u8]| ExportTraceServiceRequest::decode(bytes).unwrap();
    let recorded: Vec<&str> = include_str!("recorded.jsonl").lines().collect();
    let cases: Vec<&str> = include_str!("cases.yaml").split("---\n").collect();
    assert_eq!(recorded.len(), cases.len());
    let (mut dropped, mut refused) = (0, 0);
    for (case, recorded) in cases.into_iter().zip(recorded) {
        let name = case.split_once(": ").unwrap().0;
        let filter = read(case, Some(name)).unwrap_or_else(|problems| panic!("{problems}")).value;
        let result = filter.filter_request(&input);
        let Some((_, theirs)) = recorded.split_once(r#","request":"#) else {
            assert!(recorded.contains(r#""error":"failed to eval condition"#), "{recorded}");
            assert!(matches!(result, Err(FilterError::Condition(_))), "{name}: {result:?}");
            refused += 1;
            continue;
        };
        let ours = result.unwrap();
        let (theirs, request) =
            (decode(&protobuf(theirs.strip_suffix('}').unwrap())), decode(&ours.request));
        assert_eq!(request, theirs, "{name}");
        let ((spans, _), (spans_in, _)) = (counts(&request), counts(&decode(&input)));
        assert_eq!(ours.dropped_spans, spans_in - spans, "{name}");
        assert_eq!(ours.failed_conditions > 0, name.contains("errors_"), "{name}");
        dropped += ours.dropped_spans + ours.dropped_events;
        assert!(recorded.contains(name), "{name}");
    }
    assert!(dropped > 10 && refused == 1, "{dropped} {refused}");
}

#[test]
fn what_is_not_supported_is_an_error_that_names_the_key() {
    for (block, expected) in [
        (
            "{traces: {resource: ['true']}}",
            "filter.traces.resource: it is not supported: `span` has the attributes of the resource, `resource.attributes[\"…\"]`",
        ),
        (
            "{spans: {include: {match_type: strict, services: [a]}}}",
            "filter.spans: it is not supported: write it as conditions in `trace_conditions`",
        ),
        (
            "{trace_conditions: [{context: scope, conditions: ['true']}]}",
            "filter.trace_conditions[0].context: it is not supported: `span` has the attributes of the resource and the scope",
        ),
        (
            "{trace_conditions: [{context: sapn, conditions: ['true']}]}",
            "filter.trace_conditions[0].context: `sapn` is not known; did you mean `span`?; accepted is `span` or `spanevent`",
        ),
        (
            "{trace_conditions: [{conditions: ['true']}, 'true']}",
            "filter.trace_conditions[1]: conditions as texts and with a context do not stand in one list",
        ),
        (
            "{trace_conditions: ['true', {conditions: ['true']}]}",
            "filter.trace_conditions[1]: a string is expected, not a mapping",
        ),
        ("{traces: {span: [~]}}", "filter.traces.span[0]: a condition is expected, not nothing"),
        (
            "{traces: {span: ['spanevent.name == \"x\"']}}",
            "condition \"spanevent.name == \\\"x\\\"\": 1:1: `spanevent` is not available in conditions of `span`",
        ),
        (
            "{trace_conditions: ['spanevent.naem == \"x\"']}",
            "filter.trace_conditions[0]: condition \"spanevent.naem == \\\"x\\\"\": 1:1: ",
        ),
        (
            "{trace_conditions: ['true'], traces: {span: ['true']}}",
            "filter.trace_conditions: `traces` has conditions too: use one of them",
        ),
        ("{error_mode: strict}", "filter.error_mode: `strict` is not known"),
    ] {
        let problems = read(&format!("filter: {block}"), None).map(drop).unwrap_err().to_string();
        assert!(problems.contains(expected), "{block}: {problems}");
    }
    let warnings = read("filter: {metrics: {metric: ['true']}}", None).unwrap().warnings;
    let texts: Vec<_> = warnings.iter().map(|warning| warning.message()).collect();
    let none = "it has no condition about traces: no span is left out";
    assert_eq!(texts, [none, "it has no effect: it is not about traces"]);
}

#[test]
fn a_request_that_cannot_be_read_is_an_error() {
    let filter = read("filter: {traces: {span: ['name == \"SELECT\"']}}", None).unwrap().value;
    let input = protobuf(include_str!("traces.json"));
    for end in 0..input.len() {
        // Every prefix is an error, or a request of fewer spans.
        if let Ok(filtered) = filter.filter_request(&input[..end]) {
            ExportTraceServiceRequest::decode(&*filtered.request).unwrap();
        }
    }
    assert!(matches!(filter.filter_request(b"\x0a\x05abc"), Err(FilterError::Request(_))));
}

/// The rows of `docs/redaction.md` about the processor.
#[test]
fn each_key_of_the_table_loads_as_it_states() {
    let page = include_str!("../../../../docs/redaction.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `filter` | `"));
    let mut keys = Vec::new();
    for row in rows {
        let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
        let (key, state) = (cells.next().unwrap(), cells.next().unwrap());
        let block = match key {
            "trace_conditions" => "trace_conditions: ['true']".to_owned(),
            "error_mode" => "error_mode: propagate, trace_conditions: ['true']".to_owned(),
            "spans" => "spans: {exclude: {match_type: strict, services: [a]}}".to_owned(),
            key => format!("traces: {{{}: ['true']}}", key.strip_prefix("traces.").unwrap()),
        };
        let found = match read(&format!("filter: {{{block}}}"), None) {
            Ok(read) if read.warnings.is_empty() => "yes",
            Ok(_) => "warning",
            Err(_) => "error",
        };
        assert_eq!(found, state, "{key}");
        keys.push(key);
    }
    assert_eq!(keys.len(), 6, "{keys:?}");
}

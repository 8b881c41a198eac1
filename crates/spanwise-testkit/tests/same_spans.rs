//! The equality of requests in canonical form, and the diff of unequal ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event};
use spanwise_testkit::{assert_same_spans, difference, forget_generated_ids};

fn pair(key: &str, value: f64) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::DoubleValue(value)) });
    KeyValue { key: key.into(), value, key_strindex: 0 }
}

fn span(id: u8) -> Span {
    Span {
        trace_id: vec![9; 16],
        span_id: vec![id; 8],
        name: format!("span {id}"),
        attributes: vec![pair("x", 1.0), pair("y", f64::NAN), pair("y", 2.0)],
        events: vec![Event {
            attributes: vec![pair("p", 1.0), pair("q", 2.0)],
            ..Event::default()
        }],
        status: Some(Status::default()),
        ..Span::default()
    }
}

fn scope(name: &str, spans: Vec<Span>) -> ScopeSpans {
    let attributes = vec![pair("s", 1.0), pair("t", f64::NAN)];
    let scope = InstrumentationScope { name: name.into(), attributes, ..Default::default() };
    ScopeSpans { scope: Some(scope), spans, schema_url: "scope".into() }
}

fn resource(scope_spans: Vec<ScopeSpans>) -> ResourceSpans {
    let attributes = vec![pair("r", 1.0), pair("u", 2.0)];
    let resource = Some(Resource { attributes, ..Resource::default() });
    ResourceSpans { resource, scope_spans, schema_url: "resource".into() }
}

fn request(resource_spans: Vec<ResourceSpans>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest { resource_spans }
}

fn original() -> ExportTraceServiceRequest {
    request(vec![resource(vec![scope("a", vec![span(1), span(2)]), scope("b", vec![span(3)])])])
}

fn first(request: &mut ExportTraceServiceRequest) -> &mut Span {
    &mut request.resource_spans[0].scope_spans[0].spans[0]
}

#[test]
fn order_and_grouping_do_not_matter() {
    let mut reordered = [span(2), span(1), span(3)];
    for span in &mut reordered {
        span.attributes.rotate_left(1); // x moves behind both y, which stay in order
        span.events[0].attributes.reverse();
        span.status = None;
    }
    let [two, one, three] = reordered;
    let mut groups = [
        resource(vec![scope("b", vec![]), scope("a", vec![two])]),
        resource(vec![scope("b", vec![three]), scope("a", vec![one])]),
        resource(vec![]),
    ];
    for group in &mut groups {
        group.resource.as_mut().unwrap().attributes.reverse();
        for scope in &mut group.scope_spans {
            scope.scope.as_mut().unwrap().attributes.reverse();
        }
    }
    assert_same_spans(&original(), &request(groups.into()));
}

#[test]
fn empty_messages_equal_absent_ones() {
    let bare = ScopeSpans { spans: vec![span(1)], ..ScopeSpans::default() };
    let empty = ScopeSpans { scope: Some(InstrumentationScope::default()), ..bare.clone() };
    let wrap = |scope, resource| {
        request(vec![ResourceSpans { resource, scope_spans: vec![scope], ..Default::default() }])
    };
    assert_same_spans(&wrap(bare, None), &wrap(empty, Some(Resource::default())));
}

/// Each change must be detected and its line printed.
#[test]
fn the_diff_names_each_difference() {
    type Change = fn(&mut ExportTraceServiceRequest);
    let cases: &[(Change, &[&str])] = &[
        (|r| first(r).name = "other".into(), &["- ", "span \"span 1\"", "+ ", "span \"other\""]),
        (
            |r| first(r).attributes[0] = pair("x", -1.0),
            &["- ", "\"x\" = 1.0", "+ ", "\"x\" = -1.0"],
        ),
        (|r| first(r).attributes.swap(1, 2), &["NaN", "\"y\" = 2.0"]),
        (|r| first(r).attributes[2] = pair("y", -f64::NAN), &["span \"span 1\"", "+ "]),
        (|r| first(r).events[0].time_unix_nano = 5, &["+ ", "event \"\" at 5"]),
        (|r| first(r).events[0].dropped_attributes_count = 1, &["dropped attributes 1"]),
        (|r| first(r).events.clear(), &["- ", "event"]),
        (|r| first(r).flags = 0x101, &["flags 0x0", "flags 0x101"]),
        (|r| first(r).kind = 3, &["kind Client"]),
        (|r| first(r).start_time_unix_nano = 4, &["from 4 to 0"]),
        (|r| first(r).parent_span_id = vec![5; 8], &["parent 0505050505050505"]),
        (|r| first(r).trace_state = "a=b".into(), &["trace_state \"a=b\""]),
        (
            |r| first(r).status = Some(Status { code: 2, message: "m".into() }),
            &["status Error \"m\""],
        ),
        (|r| first(r).dropped_links_count = 2, &["dropped links 2"]),
        (|r| drop(r.resource_spans[0].scope_spans[1].spans.pop()), &["- ", "scope Some(\"b\")"]),
        (|r| r.resource_spans[0].scope_spans[0].schema_url.clear(), &["schema_url \"scope\""]),
        (|r| r.resource_spans[0].resource = None, &["\"r\" = 1.0"]),
    ];
    for (index, (change, parts)) in cases.iter().enumerate() {
        let mut changed = original();
        change(&mut changed);
        let text = difference(&original(), &changed).unwrap_or_else(|| panic!("{index}: no diff"));
        for part in *parts {
            assert!(text.contains(part), "{index}: no {part:?} in\n{text}");
        }
        assert!(difference(&changed, &original()).is_some());
    }
}

#[test]
fn zeros_of_different_sign_differ() {
    let (mut plus, mut minus) = (original(), original());
    first(&mut plus).attributes[0] = pair("x", 0.0);
    first(&mut minus).attributes[0] = pair("x", -0.0);
    assert_same_spans(&plus, &plus);
    assert!(difference(&plus, &minus).unwrap().contains("+       \"x\" = -0.0"));
}

#[test]
fn a_long_diff_is_truncated() {
    let many = |name: &str| {
        let spans = (0..3000).map(|id: u64| Span {
            span_id: (id + 1).to_be_bytes().to_vec(),
            name: format!("{name}{id}"),
            ..Span::default()
        });
        request(vec![resource(vec![scope("a", spans.collect())])])
    };
    let text = difference(&many("left"), &many("right")).unwrap();
    assert!(text.lines().count() < 100 && text.contains("more lines"), "{text}");
}

#[test]
fn generated_ids_are_cleared_and_given_ones_are_not() {
    let mut child = span(1);
    child.parent_span_id = vec![7; 8];
    let mut cleared = request(vec![resource(vec![scope("a", vec![span(2), child])])]);
    forget_generated_ids(&mut cleared);
    let spans = &cleared.resource_spans[0].scope_spans[0].spans;
    assert_eq!((&spans[0].trace_id[..], &spans[0].span_id[..]), (&[0; 16][..], &[0; 8][..]));
    assert_eq!((&spans[1].trace_id[..], &spans[1].span_id[..]), (&[9; 16][..], &[0; 8][..]));
    assert_eq!(spans[1].parent_span_id, [7; 8]);
}

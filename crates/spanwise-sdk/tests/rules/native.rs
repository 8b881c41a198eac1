//! The tracer's and the span's own methods follow the same rules.

use crate::remote;
use crate::support::bench;
use opentelemetry::Context;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as ProtoKind;
use spanwise_sdk::{SpanKind, Value};
use spanwise_testkit::spans;

#[test]
fn native_methods_write_the_same_spans() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("native");
    let linked = remote(0x01, "l=1");
    let mut root = tracer.root("root", SpanKind::Server);
    root.attribute("s", "text")
        .attribute("i", -7)
        .attribute("f", 0.5)
        .attribute("b", true)
        .attribute("strs", &["a", "b"][..])
        .attribute("bytes", Value::Bytes(b"\x00\x01"))
        .event("event", &[("k", Value::I64(1)), ("k", Value::I64(2))])
        .link(&linked, &[("k", Value::Bool(true))])
        .error("broken")
        .rename("renamed");
    let child = tracer.child("child", SpanKind::Client, root.context());
    assert!(child.is_recording());
    child.finish();
    root.ok();
    root.finish();
    let request = bench.finish();
    let root = spans(&request).find(|span| span.name == "renamed").unwrap();
    let child = spans(&request).find(|span| span.name == "child").unwrap();
    assert_eq!(child.parent_span_id, root.span_id);
    assert_eq!(root.attributes.len(), 6);
    assert_eq!(root.events[0].attributes.len(), 1);
    assert_eq!(root.links[0].trace_state, "l=1");
    assert_eq!(root.status.as_ref().unwrap().code, 1);
    assert_eq!(root.kind, ProtoKind::Server as i32);
}

/// Suppression holds for the tracer's own methods too.
#[test]
fn suppressed_telemetry_makes_no_native_span() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("rules");
    let parent = tracer.root("parent", SpanKind::Internal);
    {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let root = tracer.root("root", SpanKind::Internal);
        let child = tracer.child("child", SpanKind::Internal, parent.context());
        assert!(!root.is_recording() && !child.is_recording());
    }
    parent.finish();
    drop(tracer.root("after", SpanKind::Internal));
    let names: Vec<_> = spans(&bench.finish()).map(|span| span.name.clone()).collect();
    assert_eq!(names, ["parent", "after"]);
    assert_eq!(bench.spanwise.ledger().created, 2);
}

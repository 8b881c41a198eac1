//! HTTP/JSON as the OTLP specification requires it.

use crate::support;

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use spanwise_receiver::{Answer, Limits, Protocol, Receiver};
use spanwise_wire::json;
use support::*;

/// A request of `spans` spans, and its JSON.
fn in_json(spans: usize, name: &str) -> (ExportTraceServiceRequest, Vec<u8>) {
    let (request, bytes) = request(spans, name);
    let mut json = Vec::new();
    json::from_protobuf(&bytes, usize::MAX, &mut json).unwrap();
    (request, json)
}

fn post_json(body: impl Into<bytes::Bytes>) -> Draft {
    draft("POST", TRACES, body).header("content-type", "application/json")
}

#[tokio::test]
async fn exports_in_json_arrive_as_protobuf() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let mut client = Http1::connect(&receiver).await;
    let mut sent = Vec::new();
    // Inline, and on the thread of the handler; each plain and compressed.
    for (spans, name) in [(0, ""), (1, "a \"name\""), (30_000, "a longer name of a span")] {
        let (request, json) = in_json(spans, name);
        let packed = gzip(&json);
        for (body, coding) in [(json, "identity"), (packed, "gzip")] {
            let draft = post_json(body).header("content-encoding", coding);
            let answer = client.send(draft.body_of()).await;
            assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"{}"[..]));
            assert_eq!(answer.headers["content-type"], "application/json");
            sent.push(request.clone());
        }
    }
    let bodies = collected.bodies().into_iter();
    let received: Vec<_> =
        bodies.map(|body| ExportTraceServiceRequest::decode(body).unwrap()).collect();
    assert_eq!(received, sent);
    assert_eq!(collected.spans(), 2 * 30_001);
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

#[tokio::test]
async fn answers_are_in_json() {
    let receiver = Receiver::builder().with_limits(Limits::default().with_body_bytes(10_000));
    let receiver = receiver.with_handler(|export| {
        assert_eq!(export.protocol, Protocol::HttpJson);
        match export.spans {
            1 => Answer::Partial { rejected: 2, message: "two \"bad\"".into() },
            _ => Answer::Refuse {
                http_status: 429,
                grpc_code: 8,
                message: "later".into(),
                retry_after: Some(Duration::from_secs(2)),
            },
        }
    });
    let receiver = receiver.start().unwrap();
    let mut client = Http1::connect(&receiver).await;
    let large = in_json(1, &"x".repeat(20_000)).1;
    let packed_large = gzip(&large);
    let too_large = format!(
        r#"{{"code":8,"message":"received message larger than max ({} vs. 10000)"}}"#,
        large.len()
    );
    let cases = [
        (
            post_json(in_json(1, "x").1),
            200,
            r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"two \"bad\""}}"#,
        ),
        (post_json(in_json(2, "x").1), 429, r#"{"code":8,"message":"later"}"#),
        (
            post_json("{\"resourceSpans\":[{]}"),
            400,
            r#"{"code":3,"message":"not OTLP/JSON: expected a string at byte 19"}"#,
        ),
        (
            post_json(r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"SERVER"}]}]}]}"#),
            400,
            concat!(
                r#"{"code":3,"message":"not OTLP/JSON: accepted is the integer of an enum, "#,
                r#"not its name at byte 51"}"#
            ),
        ),
        (post_json(large), 413, &too_large),
        (
            post_json(packed_large).header("content-encoding", "gzip"),
            413,
            concat!(
                r#"{"code":8,"message":"received message after decompression larger than max "#,
                r#"10000"}"#
            ),
        ),
        (
            post_json("{}").header("content-encoding", "br"),
            415,
            if cfg!(feature = "zstd") {
                r#"{"code":12,"message":"only gzip and zstd are accepted"}"#
            } else {
                r#"{"code":12,"message":"only gzip is accepted"}"#
            },
        ),
    ];
    for (draft, status, body) in cases {
        let answer = client.send(draft.body_of()).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(String::from_utf8_lossy(&answer.body), body);
    }
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

/// The memory of the protobuf counts beside that of the JSON.
#[tokio::test]
async fn a_body_without_memory_for_its_protobuf_is_rejected() {
    let limits = Limits::default().with_memory_bytes(3 << 20).with_body_bytes(3 << 20);
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let mut client = Http1::connect(&receiver).await;
    let fits = client.send(post_json(in_json(1, &"x".repeat(1 << 20)).1).body_of()).await;
    assert_eq!(fits.status, 200);
    let answer = client.send(post_json(in_json(1, &"x".repeat(2 << 20)).1).body_of()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

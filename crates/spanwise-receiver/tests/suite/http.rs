//! HTTP/protobuf as the OTLP specification requires it.

use crate::support;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use spanwise_receiver::{Answer, Collected, Protocol, Receiver};
use spanwise_testkit::ContentCodings;
use support::*;

#[tokio::test]
async fn exports_arrive_unchanged() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let mut client = Http1::connect(&receiver).await;
    // One frame; more than one; more than the first buffer.
    let mut sent = Vec::new();
    let mut bytes_sent = 0;
    for (spans, name) in [(0, ""), (1, "a"), (700, "b"), (30_000, "a longer name of a span")] {
        let (request, bytes) = request(spans, name);
        bytes_sent += bytes.len() as u64;
        let answer = client.post(bytes).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "application/x-protobuf");
        let response = ExportTraceServiceResponse::decode(answer.body).unwrap();
        assert_eq!(response, ExportTraceServiceResponse::default());
        sent.push(request);
    }
    let received: Vec<_> = collected
        .bodies()
        .into_iter()
        .map(|body| ExportTraceServiceRequest::decode(body).unwrap())
        .collect();
    assert_eq!(received, sent);
    assert_eq!(collected.spans(), 30_701);
    let stats = receiver.stats();
    assert_eq!((stats.requests, stats.spans, stats.rejected_requests), (4, 30_701, 0));
    assert_eq!((stats.bytes, stats.connections, stats.bytes_in_memory), (bytes_sent, 1, 0));
}

/// A handler may retain a body: its buffer must not be reused meanwhile.
#[tokio::test]
async fn the_buffer_of_a_body_is_reused_once_its_handler_has_dropped_it() {
    let bodies = ["a", "b", "c"].map(|name| request(30_000, &name.repeat(20)).1);
    let retained = Arc::new(Mutex::new(Vec::new()));
    let receiver = Receiver::builder().with_handler({
        let retained = Arc::clone(&retained);
        move |export| {
            retained.lock().unwrap().push(export.body);
            Answer::Accept
        }
    });
    let receiver = receiver.start().unwrap();
    let mut client = Http1::connect(&receiver).await;
    for body in &bodies {
        assert_eq!(client.post(body.clone()).await.status, 200);
    }
    assert_eq!(receiver.stats().cached_bytes, 0);
    assert_eq!(*retained.lock().unwrap(), bodies);

    retained.lock().unwrap().truncate(1);
    let cached = receiver.stats().cached_bytes;
    assert!(cached >= 2 * bodies[0].len() as u64, "{cached}");
    assert_eq!(client.post(bodies[1].clone()).await.status, 200);
    assert!(receiver.stats().cached_bytes < cached, "the handler has one of them");
    assert_eq!(*retained.lock().unwrap(), bodies[..2]);
}

#[tokio::test]
async fn span_ids_lists_every_accepted_span() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let mut client = Http1::connect(&receiver).await;
    let mut ids = Vec::new();
    for (round, count) in [(1u8, 3), (2, 0), (3, 500), (1, 3)] {
        let (mut request, _) = request(count, "x");
        for (number, span) in request.resource_spans[0].scope_spans[0].spans.iter_mut().enumerate()
        {
            let id = (number as u64 + 1).to_be_bytes();
            (span.trace_id, span.span_id) = (vec![round; 16], id.to_vec());
            ids.push(([round; 16], id));
        }
        assert_eq!(client.post(request.encode_to_vec()).await.status, 200);
        // A rejected export adds none.
        assert_eq!(client.post(b"\xff".to_vec()).await.status, 400);
    }
    assert_eq!(collected.span_ids(), ids);
}

#[tokio::test]
async fn gzip_is_decompressed_in_both_http_versions() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (_, bytes) = request(5000, "again and again");
    let packed = gzip(&bytes);
    let http1 = post(packed.clone()).header("content-encoding", "gzip").body_of();
    let http2 = post(packed).header("content-encoding", "GZIP").body_of();
    assert_eq!(Http1::connect(&receiver).await.send(http1).await.status, 200);
    assert_eq!(Http2::connect(&receiver).await.send(http2).await.status, 200);
    assert_eq!(collected.bodies(), [&bytes[..], &bytes[..]]);
    assert_eq!(receiver.stats().bytes, 2 * bytes.len() as u64);
}

/// RFC 9110, 15.5.16: a response 415 lists the accepted codings.
#[tokio::test]
async fn content_codings_are_parsed_as_a_list() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (_, bytes) = request(3, "again and again");
    let packed = gzip(&bytes);
    let ContentCodings { identity, gzip, unsupported } = ContentCodings::TABLE;
    let cases = identity.iter().map(|lines| (lines, &bytes[..], 200));
    let cases = cases.chain(gzip.iter().map(|lines| (lines, &packed[..], 200)));
    let cases = cases.chain(unsupported.iter().map(|lines| (lines, &packed[..], 415)));
    let mut client = Http1::connect(&receiver).await;
    for (lines, body, status) in cases {
        let mut request = post(body.to_vec());
        for line in *lines {
            request = request.header("content-encoding", line);
        }
        let answer = client.send(request.body_of()).await;
        assert_eq!(answer.status, status, "{lines:?}");
        let codings = answer.headers.get("accept-encoding").map(|codings| codings.as_bytes());
        let accepted: &[u8] = if cfg!(feature = "zstd") { b"gzip, zstd" } else { b"gzip" };
        assert_eq!(codings, (status == 415).then_some(accepted));
    }
    assert_eq!(collected.bodies(), vec![&bytes[..]; identity.len() + gzip.len()]);
}

#[tokio::test]
async fn requests_that_are_no_exports_have_their_status() {
    let receiver = Receiver::builder().start().unwrap();
    let (_, bytes) = request(3, "x");
    let protobuf = "application/x-protobuf";
    let table = [
        ("POST", TRACES, protobuf, "identity", 200),
        ("POST", "/v1/metrics", protobuf, "", 404),
        ("POST", "/", protobuf, "", 404),
        ("GET", TRACES, protobuf, "", 405),
        ("PUT", TRACES, protobuf, "", 405),
        ("POST", TRACES, "application/jsonl", "", 415),
        ("POST", TRACES, "text/plain", "", 415),
        ("POST", TRACES, "", "", 415),
        ("POST", TRACES, protobuf, "br", 415),
        ("POST", TRACES, protobuf, "zstd", if cfg!(feature = "zstd") { 400 } else { 415 }),
        ("POST", TRACES, protobuf, "gzip, gzip", 415),
        ("POST", TRACES, protobuf, "gzip", 400),
        ("POST", EXPORT, protobuf, "", 415),
        ("POST", EXPORT, "application/grpc", "", 505),
    ];
    // One connection, because a rejected request does not close it.
    let mut client = Http1::connect(&receiver).await;
    for (method, path, content_type, encoding, status) in table {
        let mut request = draft(method, path, bytes.clone());
        for (name, value) in [("content-type", content_type), ("content-encoding", encoding)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let answer = client.send(request.body_of()).await;
        assert_eq!(answer.status, status, "{method} {path} {content_type} {encoding}");
        if status != 200 {
            // The specification requires a Status message in the body of an error.
            let status = RpcStatus::decode(answer.body).unwrap();
            assert!(status.code > 0 && !status.message.is_empty());
        }
        assert_eq!(answer.headers.contains_key("allow"), status == 405);
        assert!(!answer.headers.contains_key("retry-after"));
    }
    let stats = receiver.stats();
    assert_eq!((stats.requests, stats.rejected_requests), (14, 13));
    assert_eq!((stats.spans, stats.connections), (3, 1));
}

#[tokio::test]
async fn truncated_messages_are_rejected_as_malformed() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let (_, bytes) = request(2, "name");
    let mut client = Http1::connect(&receiver).await;
    let mut accepted = 0;
    for cut in 0..=bytes.len() {
        let well_formed = ExportTraceServiceRequest::decode(&bytes[..cut]).is_ok();
        let answer = client.post(bytes[..cut].to_vec()).await;
        assert_eq!(answer.status, if well_formed { 200 } else { 400 }, "cut at {cut}");
        accepted += usize::from(well_formed);
    }
    assert_eq!(collected.bodies().len(), accepted);
    assert!(accepted >= 2);
}

#[tokio::test]
async fn the_answer_of_the_handler_is_sent() {
    let receiver = Receiver::builder()
        .with_handler(|export| {
            assert_eq!(export.protocol, Protocol::Http);
            match export.headers.get_str("x-case").unwrap() {
                "partial" => Answer::Partial { rejected: 2, message: "two bad".into() },
                "warning" => Answer::Partial { rejected: 0, message: "careful".into() },
                "throttle" => Answer::Refuse {
                    http_status: 429,
                    grpc_code: 8,
                    message: "later".into(),
                    retry_after: Some(Duration::from_millis(2100)),
                },
                "panic" => panic!("the handler panics on purpose"),
                _ => Answer::Accept,
            }
        })
        .start()
        .unwrap();
    let mut client = Http1::connect(&receiver).await;
    let (_, bytes) = request(5, "x");
    let case = |case: &str| post(bytes.clone()).header("x-case", case).body_of();

    for (name, rejected, message) in [("partial", 2, "two bad"), ("warning", 0, "careful")] {
        let answer = client.send(case(name)).await;
        assert_eq!(answer.status, 200);
        let response = ExportTraceServiceResponse::decode(answer.body).unwrap();
        let partial = response.partial_success.unwrap();
        assert_eq!((partial.rejected_spans, &*partial.error_message), (rejected, message));
    }

    let answer = client.send(case("throttle")).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["retry-after"]),
        (429, &"3".parse().unwrap())
    );
    let status = RpcStatus::decode(answer.body).unwrap();
    assert_eq!((status.code, &*status.message), (8, "later"));

    assert_eq!(client.send(case("panic")).await.status, 500);
    assert_eq!(client.send(case("accept")).await.status, 200);
    let stats = receiver.stats();
    assert_eq!((stats.requests, stats.rejected_requests, stats.spans), (5, 2, 3 + 5 + 5));
}

#[tokio::test]
async fn a_delayed_answer_delays_no_other_client() {
    let receiver = Receiver::builder()
        .with_handler(|export| match export.spans {
            1 => Answer::Accept.after(Duration::from_millis(300)),
            _ => Answer::Accept,
        })
        .start()
        .unwrap();
    let (mut slow, mut fast) = (Http1::connect(&receiver).await, Http1::connect(&receiver).await);
    let start = Instant::now();
    let late = tokio::spawn(async move {
        assert_eq!(slow.post(request(1, "x").1).await.status, 200);
        start.elapsed()
    });
    assert_eq!(fast.post(request(2, "x").1).await.status, 200);
    let quick = start.elapsed();
    let late = late.await.unwrap();
    assert!(late >= Duration::from_millis(300) && quick < late, "{quick:?} {late:?}");
}

#[tokio::test]
async fn concurrent_clients_lose_no_span() {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let receiver = Receiver::builder()
        .with_handler(|export| {
            SEEN.fetch_add(export.spans, SeqCst);
            Answer::Accept
        })
        .start()
        .unwrap();
    let mut clients = tokio::task::JoinSet::new();
    for number in 1..=20 {
        let (mut http1, mut http2) =
            (Http1::connect(&receiver).await, Http2::connect(&receiver).await);
        clients.spawn(async move {
            let (_, bytes) = request(number, "from one of many");
            for _ in 0..10 {
                assert_eq!(http1.post(bytes.clone()).await.status, 200);
                assert_eq!(http2.export(&bytes).await.grpc("grpc-status"), Some("0"));
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let spans = 20 * (1..=20).sum::<u64>();
    let stats = receiver.stats();
    assert_eq!((SEEN.load(SeqCst), stats.spans, stats.requests), (spans, spans, 400));
    assert_eq!((stats.connections, stats.rejected_requests, stats.bytes_in_memory), (40, 0, 0));
}

#[tokio::test]
async fn a_collection_of_empty_bodies_has_a_limit() {
    let collected = Collected::new(640);
    let receiver = Receiver::builder().with_handler(collected.handler()).start().unwrap();
    let mut client = Http1::connect(&receiver).await;
    for n in 0..11 {
        assert_eq!(client.post("").await.status, if n < 10 { 200 } else { 413 }, "{n}");
    }
    assert_eq!(collected.bodies().len(), 10);
}

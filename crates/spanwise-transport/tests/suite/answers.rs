//! Classification of responses: the status decides, and the body of a success is decoded.

#![cfg(feature = "tokio")]

use crate::peer;

use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::write::GzEncoder;
use peer::{Act, Peer, answer, ok, partial_success, send};
use spanwise_transport::{
    Delivery, Endpoint, Failure, Outcome, ResponseStatus, RetryPolicy, Transport, TransportBuilder,
};

fn to(peer: &Peer) -> TransportBuilder {
    Transport::builder()
        .with_endpoint(Endpoint::parse("TEST", &peer.url()).unwrap())
        .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(2)))
}

async fn sent(acts: impl IntoIterator<Item = Act>) -> Delivery {
    let peer = Peer::new(acts).await;
    send(&to(&peer).build().unwrap()).await
}

/// Answers of `status` whose body is large, endless, or slow without end.
fn pages(status: u16) -> Vec<Act> {
    let head = |rest: &str| format!("HTTP/1.1 {status} Any\r\n{rest}\r\n").into_bytes();
    let large = vec![b'x'; 1 << 20];
    let mut bomb = GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b'x'; 10_000_000]).unwrap();
    vec![
        Act::Answer(answer(status, "", &large)),
        Act::Answer(answer(status, "content-encoding: gzip\r\n", &bomb.finish().unwrap())),
        Act::Flood(head("")),
        Act::Flood([head("transfer-encoding: chunked\r\n"), b"ffffffff\r\n".to_vec()].concat()),
        Act::Flood(head("content-length: 1073741824\r\n")),
        Act::Drip(head("content-length: 60000\r\n")),
        Act::Drip(head("")),
    ]
}

/// OTLP 1.10, "OTLP/HTTP Response" and "Retryable Response Codes": 429, 502, 503 and 504 are
/// tried again; all other 4xx and 5xx are not.
#[tokio::test]
async fn the_body_of_a_failure_does_not_change_its_outcome() {
    for page in pages(503) {
        let delivery = sent([page.clone(), ok()]).await;
        assert!(delivery.is_accepted(), "{page:.60?}: {delivery}");
        assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (2, 0), "{delivery}");
    }
    for (status, failure) in [
        (400, Failure::Rejected { status: ResponseStatus::Http(400) }),
        (413, Failure::TooLarge),
        (500, Failure::Rejected { status: ResponseStatus::Http(500) }),
        (302, Failure::Redirect { status: 302 }),
    ] {
        for page in pages(status) {
            let start = Instant::now();
            let delivery = sent([page]).await;
            assert_eq!(delivery.outcome, Outcome::Failed(failure));
            assert!(!delivery.may_have_been_accepted() && delivery.attempts == 1, "{delivery}");
            assert!(delivery.cause.len() <= 256, "{delivery}");
            // Long before the attempt's ten seconds.
            assert!(start.elapsed() < Duration::from_secs(8), "{delivery}");
        }
    }
}

/// RFC 9112, 9.3: a connection whose answer was read to its end can be used again.
#[tokio::test]
async fn a_connection_is_reused_if_the_body_of_a_failure_was_read() {
    let small = Act::Answer(answer(503, "", &[b'x'; 4000]));
    let peer = Peer::new([small, ok()]).await;
    assert!(send(&to(&peer).build().unwrap()).await.is_accepted());
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn the_detail_is_the_beginning_of_the_body() {
    let page = format!("no such tenant {}", "\u{e4}".repeat(1 << 20));
    let delivery = sent([Act::Answer(answer(403, "", page.as_bytes()))]).await;
    assert!(delivery.cause.starts_with("HTTP 403 Forbidden: no such tenant \u{e4}"), "{delivery}");
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(page.as_bytes()).unwrap();
    let packed = answer(403, "content-encoding: GZIP\r\n", &packed.finish().unwrap());
    let delivery = sent([Act::Answer(packed)]).await;
    assert!(delivery.detail.starts_with("no such tenant \u{e4}"), "{delivery}");
}

/// OTLP 1.10, "OTLP/HTTP Response": clients limit the size of the answers they read.
#[tokio::test]
async fn the_maximum_size_of_a_success_is_a_setting() {
    for (max, len, fits) in
        [(1 << 10, 1 << 10, true), (1 << 10, 1025, false), (1 << 20, 1 << 20, true)]
    {
        // An unknown field 15 of length `len - 4`.
        let value = len - 4;
        let head = [
            0x7a,
            (value & 0x7f) as u8 | 0x80,
            (value >> 7 & 0x7f) as u8 | 0x80,
            (value >> 14) as u8,
        ];
        let body = [&head[..], &vec![0; value]].concat();
        let peer = Peer::new([Act::Answer(answer(200, "", &body))]).await;
        let delivery = send(&to(&peer).with_max_response_bytes(max).build().unwrap()).await;
        if fits {
            assert!(delivery.is_accepted() && !delivery.response_undecodable, "{delivery}");
        } else {
            assert_eq!(delivery.outcome, Outcome::Failed(Failure::ResponseTooLarge));
            assert!(delivery.cause.contains("larger than 1024 bytes (with_max_response_bytes)"));
            assert!(delivery.may_have_been_accepted());
        }
    }
    for max in [0, 1023, (64 << 20) + 1, usize::MAX] {
        let error = Transport::builder().with_max_response_bytes(max).build().unwrap_err();
        let message = format!("with_max_response_bytes is {max}; accepted is 1024 to 67108864");
        assert_eq!((error.to_string(), format!("{error:?}")), (message.clone(), message));
    }
}

/// OTLP 1.10, "Partial Success": with no rejected span, the message is a warning.
#[tokio::test]
async fn an_accepted_outcome_has_the_warning_of_the_server() {
    let warned = Outcome::Accepted { rejected: 0, message: Some("slow down".into()) };
    let delivery = sent([Act::Answer(answer(200, "", &partial_success(0, "slow down")))]).await;
    assert_eq!(delivery.outcome, warned);
    assert!(format!("{delivery:?}").contains("slow down"), "{delivery}");
}

/// OTLP 1.10, "OTLP/HTTP Response": the answer's content type is that of the request, and its body
/// an `ExportTraceServiceResponse`.
#[tokio::test]
async fn a_success_that_is_not_otlp_is_reported() {
    for (headers, body, reason) in [
        ("content-type: text/html\r\n", &b""[..], "its content type is text/html"),
        ("content-type: Text/HTML; charset=utf-8\r\n", b"<html>", "its content type is text/html"),
        ("content-type: application/json\r\n", b"{}", "its content type is application/json"),
        ("", b"<html>", "its body is no ExportTraceServiceResponse"),
        ("content-encoding: br\r\n", b"x", "its content encoding is br"),
        ("content-encoding: gzip, gzip\r\n", b"x", "its content encoding is gzip, gzip"),
        ("content-encoding: gzip\r\n", b"x", "its body is no gzip"),
    ] {
        let delivery = sent([Act::Answer(answer(200, headers, body))]).await;
        assert_eq!(delivery.outcome, Outcome::Accepted { rejected: 0, message: None });
        assert!(delivery.response_undecodable, "{headers}: {delivery}");
        let cause = format!("HTTP 200 OK, but the answer is not OTLP: {reason}");
        assert_eq!(delivery.cause, cause);
        assert!(delivery.to_string().contains(&cause));
    }
    for headers in ["", "content-type: Application/X-Protobuf;x=y\r\n"] {
        let delivery = sent([Act::Answer(answer(200, headers, b""))]).await;
        assert!(delivery.is_accepted() && !delivery.response_undecodable, "{delivery}");
        assert!(delivery.cause.is_empty());
    }
}

/// RFC 9110, 8.4.1: codings are case-insensitive; 8.4.1.3: `x-gzip` is `gzip`.
#[tokio::test]
async fn the_coding_of_a_success_is_case_insensitive() {
    let plain = partial_success(2, "bad ids");
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&plain).unwrap();
    let packed = packed.finish().unwrap();
    let message = Some("bad ids".to_owned());
    for (coding, body) in [
        ("GZIP", &packed),
        ("x-gzip", &packed),
        ("X-Gzip", &packed),
        ("identity, gzip", &packed),
        ("identity", &plain),
        ("Identity", &plain),
        ("", &plain),
    ] {
        let headers = format!("content-encoding: {coding}\r\n");
        let delivery = sent([Act::Answer(answer(200, &headers, body))]).await;
        let expected = Outcome::Accepted { rejected: 2, message: message.clone() };
        assert_eq!(delivery.outcome, expected, "{coding}");
    }
}

/// gRPC, "PROTOCOL-HTTP2": the status of the call is `grpc-status`, independent of that of HTTP.
#[tokio::test]
async fn a_grpc_server_that_answers_http_1_has_not_accepted_the_request() {
    let headers = "content-type: application/grpc\r\ngrpc-status: 12\r\n";
    let delivery = sent([Act::Answer(answer(200, headers, b""))]).await;
    let status = ResponseStatus::Grpc(12);
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Rejected { status }));
    assert!(delivery.advice.as_ref().unwrap().contains("OTLP/gRPC port"), "{delivery}");
}

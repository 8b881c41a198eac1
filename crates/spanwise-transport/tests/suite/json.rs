//! OTLP/HTTP in JSON, against a peer on loopback and a receiver.

#![cfg(feature = "tokio")]

use crate::peer;

use std::io::Read as _;
use std::time::Duration;

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use peer::{Act, Peer, answer, request, send};
use prost::Message as _;
use spanwise_receiver::{Answer, Receiver};
use spanwise_transport::{
    Compression, Endpoint, Failure, Outcome, Protocol, ResponseStatus, RetryPolicy, Transport,
    TransportBuilder,
};
use spanwise_wire::json;

fn to(url: &str) -> TransportBuilder {
    let endpoint = Endpoint::parse("TEST", url).unwrap();
    Transport::builder().with_protocol(Protocol::HttpJson).with_endpoint(endpoint)
}

fn in_json(protobuf: &[u8]) -> Vec<u8> {
    let mut json = Vec::new();
    json::from_protobuf(protobuf, usize::MAX, &mut json).unwrap();
    json
}

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn a_request_arrives_in_json() {
    let body = br#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"bad\nids"}}"#;
    let peer = Peer::new([Act::Answer(answer(200, JSON, body))]).await;
    let delivery = send(&to(&peer.url()).build().unwrap()).await;
    let message = Some("bad ids".to_owned());
    assert_eq!(delivery.outcome, Outcome::Accepted { rejected: 2, message });
    assert!(!delivery.response_undecodable, "{delivery}");
    let [received] = &peer.received()[..] else { panic!("one request") };
    assert!(received.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", received.head);
    assert_eq!(received.header("content-type"), Some("application/json"));
    assert_eq!(received.body, in_json(&request(3)));
    assert_eq!(delivery.body_bytes, received.body.len());
}

#[tokio::test]
async fn all_attempts_send_the_same_json() {
    let busy = Act::Answer(answer(503, JSON, br#"{"code":14,"message":"busy"}"#));
    let peer = Peer::new([busy.clone(), busy, Act::Answer(answer(200, JSON, b"{}"))]).await;
    let retry = RetryPolicy::default().with_cap(Duration::from_millis(2));
    let delivery = send(&to(&peer.url()).with_retry(retry).build().unwrap()).await;
    assert!(delivery.is_accepted() && delivery.attempts == 3, "{delivery}");
    let received = peer.received();
    assert!(received.iter().all(|received| received.body == in_json(&request(3))));
}

#[tokio::test]
async fn the_json_is_compressed() {
    let peer = Peer::new([Act::Answer(answer(200, JSON, b"{}"))]).await;
    let transport = to(&peer.url()).with_compression(Compression::Gzip).build().unwrap();
    assert!(transport.send(request(500)).await.is_accepted());
    let [received] = &peer.received()[..] else { panic!("one request") };
    assert_eq!(received.header("content-encoding"), Some("gzip"));
    assert_eq!(received.header("content-type"), Some("application/json"));
    let mut plain = Vec::new();
    GzDecoder::new(&received.body[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, in_json(&request(500)));
}

#[tokio::test]
async fn a_refusal_has_the_message_of_its_json_and_advice() {
    let body = br#"{"code":12,"message":"no JSON here"}"#;
    let peer = Peer::new([Act::Answer(answer(415, JSON, body))]).await;
    let delivery = send(&to(&peer.url()).build().unwrap()).await;
    let failure = Failure::Rejected { status: ResponseStatus::Http(415) };
    assert_eq!(delivery.outcome, Outcome::Failed(failure));
    assert_eq!(delivery.detail, "no JSON here");
    assert!(delivery.advice.is_some_and(|advice| advice.contains("http/protobuf")));
}

#[tokio::test]
async fn a_receiver_gets_the_spans_and_answers_in_json() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    for compression in [Compression::None, Compression::Gzip] {
        let transport = to(&url).with_compression(compression).build().unwrap();
        let delivery = transport.send(request(500)).await;
        assert!(delivery.is_accepted() && !delivery.response_undecodable, "{delivery}");
    }
    let sent = ExportTraceServiceRequest::decode(&*request(500)).unwrap();
    for body in collected.bodies() {
        assert_eq!(ExportTraceServiceRequest::decode(body).unwrap(), sent);
    }
    assert_eq!(collected.spans(), 1000);

    let partial = |_| Answer::Partial { rejected: 7, message: "quota".into() };
    let receiver = Receiver::builder().with_handler(partial).start().unwrap();
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    let delivery = send(&to(&url).build().unwrap()).await;
    let message = Some("quota".to_owned());
    assert_eq!(delivery.outcome, Outcome::Accepted { rejected: 7, message });
}

#[tokio::test]
async fn bytes_that_are_not_protobuf_are_not_sent() {
    let peer = Peer::new([Act::Answer(answer(200, JSON, b"{}"))]).await;
    let transport = to(&peer.url()).build().unwrap();
    for (bytes, cause) in [
        (&b"\x0a\x05ab"[..], "no OTLP protobuf: the message ends inside a field"),
        (b"\0\0\0\0\0", "no OTLP protobuf: a field number is outside 1..=536870911"),
    ] {
        let delivery = transport.send(bytes.to_vec()).await;
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::Unsendable));
        assert_eq!((delivery.attempts, &*delivery.cause), (0, cause));
    }
    assert!(peer.received().is_empty());
}

#[test]
fn the_default_endpoint_is_that_of_http() {
    let transport = Transport::builder().with_protocol(Protocol::HttpJson).build().unwrap();
    assert_eq!(transport.endpoint().to_string(), "http://localhost:4318/v1/traces");
}

//! Framed requests, and that they arrive unchanged.

#![cfg(feature = "tokio")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use spanwise_receiver::{Collected, Receiver};
use spanwise_transport::{
    Compression, Delivery, Endpoint, Failure, FramedRequest, InMemoryError, Outcome, PREFIX,
    Protocol, Transport, TransportBuilder,
};
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise_wire::{Chunk, Framer, Request, RequestLimits, SpanId, SpanLimits, SpanMeta, TraceId};
use tokio::time::Instant;

/// A request of `spans` spans with `prefix` bytes in front.
fn request(spans: u64, prefix: usize) -> Request {
    let mut chunk = Chunk::default();
    let mut span = SpanWriter::new();
    for span_id in 1..=spans {
        span.begin(&SpanLimits::default(), "GET /users");
        let header =
            SpanHeader { trace_id: TraceId(7), span_id: SpanId(span_id), ..SpanHeader::default() };
        chunk.push(&span.finish(&header), SpanMeta::default());
    }
    let resource = encode_resource([("service.name", "shop")], "");
    let scope = encode_scope("lib", "1", [("", 0); 0], "");
    let mut requests = Vec::new();
    let limits = RequestLimits::default().with_prefix(prefix);
    Framer::new(&resource, |_| &scope, limits).frame(&[&chunk], |request| requests.push(request));
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

fn receiver() -> (Receiver, Collected) {
    Receiver::collecting().unwrap()
}

/// Over every protocol that is compiled in, plain and compressed.
fn transports(receiver: &Receiver) -> Vec<Transport> {
    let mut transports = Vec::new();
    for compression in [Compression::None, Compression::Gzip] {
        let url = receiver.http_endpoint();
        let http = Transport::builder().with_endpoint(Endpoint::parse_base("TEST", &url).unwrap());
        transports.push(http.with_compression(compression).build().unwrap());
        if cfg!(feature = "grpc") {
            let endpoint = Endpoint::parse_grpc("TEST", &url, true).unwrap();
            let grpc = Transport::builder().with_protocol(Protocol::Grpc).with_endpoint(endpoint);
            transports.push(grpc.with_compression(compression).build().unwrap());
        }
    }
    transports
}

async fn send(transport: &Transport, request: impl Into<FramedRequest>) -> Delivery {
    transport.send_until(request, (Instant::now() + Duration::from_secs(30)).into()).await
}

/// A transport to a sink, with the requests that the sink received.
fn into_sink() -> (TransportBuilder, Arc<Mutex<Vec<Bytes>>>) {
    let taken = Arc::<Mutex<Vec<Bytes>>>::default();
    let keep = taken.clone();
    let sink = move |request: Bytes| {
        keep.lock().unwrap().push(request);
        std::future::ready(Outcome::Accepted { rejected: 0, message: None })
    };
    (Transport::builder().with_sink(sink), taken)
}

#[tokio::test]
async fn every_byte_arrives_with_any_prefix() {
    let (receiver, collected) = receiver();
    for spans in [1, 300] {
        let expected = request(spans, 0).into_message();
        let whole = ExportTraceServiceRequest::decode(&*expected).unwrap();
        assert_eq!(whole.resource_spans[0].scope_spans[0].spans.len() as u64, spans);
        for transport in transports(&receiver) {
            let mut forms: Vec<FramedRequest> =
                [0, 1, PREFIX, PREFIX + 1, 100].map(|prefix| request(spans, prefix).into()).into();
            forms.push(expected.clone().into());
            forms.push(Bytes::from(expected.clone()).into());
            forms.push(FramedRequest::from_message(&expected));
            forms.push(FramedRequest::in_memory(request(spans, PREFIX), Bytes::from).unwrap());
            for form in forms {
                assert_eq!(form.message(), expected);
                let delivery = send(&transport, form).await;
                assert!(delivery.is_accepted(), "{transport:?}: {delivery:?}");
                let bodies = collected.bodies();
                assert_eq!(bodies.last().unwrap(), &expected, "{transport:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_with_a_reserved_prefix_is_sent_without_a_copy() {
    let (builder, taken) = into_sink();
    let transport = builder.build().unwrap();
    let framed = request(3, PREFIX);
    let memory = framed.message().as_ptr();
    assert!(send(&transport, framed).await.is_accepted());
    assert_eq!(taken.lock().unwrap()[0].as_ptr(), memory);
    // The same memory through every way of sharing it.
    let shares: [fn(Vec<u8>) -> Bytes; 2] = [Bytes::from, Bytes::from_owner];
    for share in shares {
        let framed = request(3, PREFIX);
        let memory = framed.message().as_ptr();
        let framed = FramedRequest::in_memory(framed, share).unwrap();
        assert_eq!(
            (framed.message().as_ptr(), framed.clone().message().as_ptr()),
            (memory, memory)
        );
    }
}

#[test]
fn memory_other_than_the_requests_is_an_error() {
    let lies: [fn(Vec<u8>) -> Bytes; 5] = [
        |_| Bytes::new(),
        |whole| Bytes::copy_from_slice(&whole),
        |whole| Bytes::from(whole).slice(1..),
        |whole| Bytes::from(whole).slice(..20),
        |whole| Bytes::from(whole.len().to_string()),
    ];
    for lie in lies {
        let refused = FramedRequest::in_memory(request(3, PREFIX), lie);
        assert_eq!(refused.unwrap_err(), InMemoryError::Moved);
    }
    for len in [0, 4, 6] {
        let refused = FramedRequest::in_memory(request(3, len), |_| panic!("not to be called"));
        let error = refused.unwrap_err();
        assert_eq!(error, InMemoryError::Prefix { len });
        let text = error.to_string();
        assert!(text.contains(&len.to_string()) && text.contains("accepted is 5"), "{text}");
    }
}

#[tokio::test]
async fn a_prefix_in_front_of_a_plain_message_is_an_error() {
    let (builder, taken) = into_sink();
    let transport = builder.build().unwrap();
    for whole in [request(1, PREFIX).into_bytes(), [&[1, 0, 0, 0, 1], &b"x"[..]].concat()] {
        let delivery = send(&transport, whole).await;
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::Unsendable));
        assert_eq!((delivery.attempts, delivery.detail.contains("field 0")), (0, true));
    }
    assert!(send(&transport, Vec::new()).await.is_accepted(), "no spans, but a message");
    assert_eq!(taken.lock().unwrap().len(), 1);
}

#[test]
fn debug_prints_no_bytes_of_spans() {
    let framed = request(1, PREFIX);
    let shown = format!("{framed:?} {:?}", FramedRequest::from(framed.clone()));
    assert!(!shown.contains("GET") && !shown.contains("71, 69, 84"), "{shown}");
    assert!(shown.contains(&framed.message().len().to_string()), "{shown}");
}

/// The example is compiled and run where the README of this crate is a doc test.
#[test]
fn the_readmes_show_the_tested_example() {
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let read = |name| std::fs::read_to_string(format!("{crates}/{name}/README.md")).unwrap();
    let block = |readme: &str, fence: &str| {
        let (_, rest) = readme.split_once(fence).unwrap();
        rest.split_once("```\n").unwrap().0.to_owned()
    };
    let example = block(&read("spanwise-transport"), "```rust\n");
    assert!(example.contains("transport.send(request"));
    for name in ["spanwise-wire", "spanwise-batch"] {
        assert_eq!(block(&read(name), "```rust,ignore\n"), example, "{name}");
    }
}

//! Sends one request over each protocol, and prints the bytes on the network for each span.
//!
//! `cargo run -p spanwise-transport --example protocols --features grpc`

use std::error::Error;

use spanwise_receiver::Receiver;
use spanwise_testkit::FaultProxy;
use spanwise_transport::{Endpoint, PREFIX, Protocol, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise_wire::{Chunk, Framer, Request, RequestLimits, SpanId, SpanLimits, SpanMeta, TraceId};

const SPANS: u64 = 5_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let request = request();
    println!("{SPANS} spans in {} bytes", request.message().len());
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
        let (receiver, collected) = Receiver::collecting()?;
        let proxy = FaultProxy::start(receiver.address())?;
        let endpoint = Endpoint::parse_base("endpoint", &proxy.endpoint())?;
        let transport =
            Transport::builder().with_protocol(protocol).with_endpoint(endpoint).build()?;
        let delivery = transport.send(request.clone()).await;
        let sent = proxy.traffic().request_bytes as f64 / SPANS as f64;
        println!("{protocol}: {delivery}, {sent:.1} bytes a span");
        assert_eq!(collected.spans(), SPANS);
    }
    Ok(())
}

/// A request with client spans of three attributes.
fn request() -> Request {
    let (mut chunk, limits) = (Chunk::default(), SpanLimits::default());
    let mut writer = SpanWriter::new();
    for number in 1..=SPANS {
        writer.begin(&limits, "GET /orders/{id}");
        writer.attribute(&limits, "http.request.method", "GET");
        writer.attribute(&limits, "http.response.status_code", &200);
        writer.attribute(&limits, "url.path", format!("/orders/{number}").as_str());
        let (trace_id, span_id) = (TraceId(u128::from(number) << 64 | 7), SpanId(number));
        let header = SpanHeader { trace_id, span_id, ..SpanHeader::default() };
        chunk.push(&writer.finish(&header), SpanMeta::default());
    }
    let resource = encode_resource([("service.name", "shop")], "");
    let scope = encode_scope("shop::orders", "1.0", [("", 0); 0], "");
    let limits = RequestLimits::default().with_prefix(PREFIX);
    let mut requests = Vec::new();
    Framer::new(&resource, |_| &scope, limits).frame(&[&chunk], |request| requests.push(request));
    requests.remove(0)
}

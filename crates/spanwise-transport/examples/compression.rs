//! The bytes and the time of a request by compression and level.
//!
//! ```text
//! cargo run --release -p spanwise-transport --features zstd --example compression
//! ```

use spanwise_receiver::Receiver;
use spanwise_testkit::SplitMix64;
use spanwise_transport::{Compression, Endpoint, PREFIX, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise_wire::{Chunk, Framer, Request, RequestLimits, SpanId, SpanLimits, SpanMeta, TraceId};
use std::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (receiver, collected) = Receiver::collecting()?;
    let endpoint = Endpoint::parse_base("ENDPOINT", &receiver.http_endpoint())?;
    let mut settings = vec![(Compression::None, 1)];
    settings.extend([1, 6, 9].map(|level| (Compression::Gzip, level)));
    if cfg!(feature = "zstd") {
        settings.extend([-5, 1, 3, 6, 9].map(|level| (Compression::Zstd, level)));
    }
    println!("{:<8} {:>10} {:>8} {:>12}", "", "bytes", "saved", "ms a request");
    for (compression, level) in settings {
        let transport = Transport::builder()
            .with_endpoint(endpoint.clone())
            .with_compression(compression)
            .with_compression_level(level)
            .build()?;
        let request = request().ok_or("no span, no request")?;
        let plain = request.message().len();
        // The first request also connects and allocates the encoder.
        for _ in 0..3 {
            transport.send(request.clone()).await;
        }
        let start = Instant::now();
        let delivery = transport.send(request).await;
        let millis = 1e3 * start.elapsed().as_secs_f64();
        assert!(delivery.is_accepted(), "{delivery}");
        let saved = 100.0 * (1.0 - delivery.body_bytes as f64 / plain as f64);
        let name = format!("{compression} {level}");
        println!("{name:<8} {:>10} {saved:>6.1} % {millis:>12.2}", delivery.body_bytes);
    }
    println!("the receiver counted {} spans", collected.spans());
    Ok(())
}

/// A request of 2,000 spans of a service, with ids as random as real ones.
fn request() -> Option<Request> {
    let (limits, mut span, mut chunk) =
        (SpanLimits::default(), SpanWriter::new(), Chunk::default());
    let mut random = SplitMix64::new(7);
    let mut id = move || random.next_u64();
    let mut now = 1_790_000_000_000_000_000;
    for number in 0..2_000_u64 {
        span.begin(&limits, "GET /users/{id}");
        span.attribute(&limits, "http.request.method", "GET");
        span.attribute(&limits, "http.route", "/users/{id}");
        span.attribute(&limits, "url.path", format!("/users/{}", number % 97).as_str());
        span.attribute(&limits, "server.address", "shop.example.com");
        span.attribute(&limits, "http.response.status_code", &200);
        now += id() % 1_000_000;
        let header = SpanHeader {
            trace_id: TraceId(u128::from(id()) << 64 | u128::from(id())),
            span_id: SpanId(id()),
            start_unix_nanos: now,
            end_unix_nanos: now + id() % 5_000_000,
            ..SpanHeader::default()
        };
        chunk.push(&span.finish(&header), SpanMeta::default());
    }
    let resource = encode_resource([("service.name", "shop")], "");
    let scope = encode_scope("my-library", "1.0", [("", 0); 0], "");
    let limits = RequestLimits::default().with_prefix(PREFIX);
    let mut requests = Vec::new();
    Framer::new(&resource, |_| &scope, limits).frame(&[&chunk], |request| requests.push(request));
    requests.pop()
}

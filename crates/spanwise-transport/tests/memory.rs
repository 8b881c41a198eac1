//! Memory of compression and transcoding, measured by the allocator, and when the original is freed.

#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use std::future::ready;
use std::io::{Read as _, Write as _};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use peer::{Act, Peer};
use spanwise_testkit::{CountingAllocator, allocator};
use spanwise_transport::{
    Compression, Endpoint, FramedRequest, PREFIX, Protocol, Transport, TransportBuilder,
};
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{Chunk, Framer, RequestLimits, SpanId, SpanLimits, SpanMeta, TraceId};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A message of about `len` bytes, compressible if `dull`.
fn message(len: usize, dull: bool) -> Vec<u8> {
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    let body = (0..len).map(|at| if dull { b"the same again "[at % 15] } else { noise() });
    std::iter::once(b'\n').chain(body).collect()
}

fn transport(protocol: Protocol) -> TransportBuilder {
    let endpoint = Endpoint::parse("TEST", "http://127.0.0.1:9/").unwrap();
    Transport::builder().with_endpoint(endpoint).with_protocol(protocol)
}

/// Memory after the encoder is freed: a client, and a connection in progress.
const ATTEMPT: usize = 96 * 1024;

fn compressing_stays_within_its_bound() {
    let protocols = [Protocol::HttpProtobuf]
        .into_iter()
        .chain(cfg!(feature = "grpc").then_some(Protocol::Grpc));
    for protocol in protocols {
        for len in [1, 1023, 1024, 1500, 10_000, 300_000, 1 << 20, 5_000_000] {
            for dull in [true, false] {
                // A runtime and a transport for each, so that no memory remains.
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let builder = transport(protocol).with_compression(Compression::Gzip);
                let transport = builder.build().unwrap();
                let request = FramedRequest::from_message(&message(len, dull));
                let bound = transport.compressed_bound(request.message().len());
                let before = allocator::reset_peak();
                // Compressed at once, cancelled while it connects.
                let _cancelled = runtime.block_on(transport.send_with_cancel(request, ready(())));
                let taken = (allocator::heap().peak - before) as usize;
                // The encoder stays for the next request while this one connects.
                assert!(taken <= bound + ATTEMPT, "{len} {dull}: {taken} of {bound}");
                // A quarter of the message is reserved for a copy that is moved when it shrinks.
                let idle = bound.saturating_sub(taken + len / 4);
                assert!(idle <= 128 * 1024, "{len} {dull}: {taken} of {bound}: too careful");
            }
        }
    }
    let plain = transport(Protocol::HttpProtobuf).build().unwrap();
    assert_eq!(plain.compressed_bound(1 << 20), 0);
    let gzip = transport(Protocol::HttpProtobuf).with_compression(Compression::Gzip);
    assert_eq!(gzip.build().unwrap().compressed_bound(usize::MAX), usize::MAX);
}

/// The JSON is allocated once, and its compressed copy too; the protobuf is freed.
fn transcoding_stays_within_its_bound() {
    for compression in [Compression::None, Compression::Gzip] {
        for spans in [1, 10, 30_000] {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let transport = transport(Protocol::HttpJson).with_compression(compression);
            let transport = transport.build().unwrap();
            let request = FramedRequest::from(peer::request(spans));
            let bound = transport.compressed_bound(request.message().len());
            let before = allocator::reset_peak();
            let _cancelled = runtime.block_on(transport.send_with_cancel(request, ready(())));
            let taken = (allocator::heap().peak - before) as usize;
            // The state of the request takes a little.
            let limit = (bound + 4096).max(ATTEMPT);
            assert!(taken <= limit, "{spans} {compression}: {taken} of {bound}");
        }
    }
}

/// Answers the first request with 415 and the others with 200, and retains no byte.
fn refusing_receiver() -> Endpoint {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut status = "415 Unsupported Media Type";
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut buffer, mut filled, mut left) = ([0; 4096], 0, None);
            while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]) {
                filled += read;
                match &mut left {
                    None => {
                        let head = String::from_utf8_lossy(&buffer[..filled]);
                        let Some(end) = head.find("\r\n\r\n") else { continue };
                        let (_, length) = head.split_once("content-length: ").unwrap();
                        let length: usize = length.split_once("\r\n").unwrap().0.parse().unwrap();
                        left = Some(length + end + 4 - filled);
                    }
                    Some(left) => *left -= read,
                }
                filled = if left.is_some() { 0 } else { filled };
                if left == Some(0) {
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).unwrap();
                    (status, left) = ("200 OK", None);
                }
            }
        }
    });
    Endpoint::parse("TEST", &url).unwrap()
}

fn a_refused_encoding_stays_within_its_bound() {
    for len in [10_000, 300_000, 1 << 20, 5_000_000] {
        for dull in [true, false] {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let builder = Transport::builder().with_endpoint(refusing_receiver());
            let builder = builder.with_compression(Compression::Gzip);
            let transport = builder.build().unwrap();
            let text = message(len, dull);
            // Half of it is compressible, so that it is compressed in any case.
            let half = message(len, true);
            let whole = [&half[..half.len() / 2], &text[..text.len() / 2]].concat();
            let request = FramedRequest::from_message(&whole);
            let bound = transport.compressed_bound(request.message().len());
            let before = allocator::reset_peak();
            let delivery = runtime.block_on(transport.send(request));
            assert_eq!((delivery.is_accepted(), delivery.attempts), (true, 2), "{delivery:?}");
            assert_eq!(delivery.body_bytes, whole.len());
            let taken = (allocator::heap().peak - before) as usize;
            assert!(taken <= bound + ATTEMPT, "{len} {dull}: {taken} of {bound}");
        }
    }
}

/// Records its drop.
struct Memory(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.1.store(true, Ordering::SeqCst);
    }
}

/// A request of some spans in memory that records its drop.
fn request() -> (FramedRequest, Arc<AtomicBool>) {
    let mut chunk = Chunk::default();
    let mut span = SpanWriter::new();
    for span_id in 1..200 {
        span.begin(&SpanLimits::default(), "GET /users");
        let header =
            SpanHeader { trace_id: TraceId(7), span_id: SpanId(span_id), ..SpanHeader::default() };
        chunk.push(&span.finish(&header), SpanMeta::default());
    }
    let mut requests = Vec::new();
    let limits = RequestLimits::default().with_prefix(PREFIX);
    Framer::new(&[], |_| [], limits).frame(&[&chunk], |request| requests.push(request));
    let dropped = Arc::<AtomicBool>::default();
    let share = |whole| Bytes::from_owner(Memory(whole, dropped.clone()));
    let framed = FramedRequest::in_memory(requests.remove(0), share).unwrap();
    (framed, dropped)
}

async fn the_original_is_freed_when_its_copy_is_complete() {
    for (compression, early) in [(Compression::Gzip, true), (Compression::None, false)] {
        let peer = Peer::new([Act::Hold]).await;
        let endpoint = Endpoint::parse("TEST", &peer.url()).unwrap();
        let builder = Transport::builder().with_endpoint(endpoint);
        let transport = builder.with_compression(compression).build().unwrap();
        let (framed, dropped) = request();
        let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
        let mut sending = pin!(transport.send_with_cancel(framed, async { drop(cancelled.await) }));
        tokio::select! {
            delivery = &mut sending => panic!("{delivery:?}"),
            () = peer.read.notified() => {}
        }
        assert_eq!(dropped.load(Ordering::SeqCst), early, "{compression}");
        drop(cancel);
        assert!(!sending.await.is_accepted());
        peer.closed.notified().await;
        assert!(dropped.load(Ordering::SeqCst), "{compression}");
    }
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn compression_stays_within_its_bound_and_frees_the_original() {
    compressing_stays_within_its_bound();
    transcoding_stays_within_its_bound();
    a_refused_encoding_stays_within_its_bound();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(the_original_is_freed_when_its_copy_is_complete());
}

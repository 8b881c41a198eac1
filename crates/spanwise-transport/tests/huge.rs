//! A peer that answers with a GiB: the client reads as much as helps, and its heap hardly grows.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use spanwise_testkit::{CountingAllocator, allocator};
use spanwise_transport::{Delivery, Endpoint, Failure, Outcome, ResponseStatus, Transport};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const GIB: u64 = 1 << 30;
/// The limit for what the client allocates, in bytes.
const MAX_RISE: u64 = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(60);
/// On no heap.
static PIECE: [u8; 64 << 10] = [b'\n'; 64 << 10];

/// Answers each connection with `head` and a GiB, in chunks if `is_chunked`.
fn serve(head: &'static str, is_chunked: bool) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _some = stream.read(&mut request);
            let _ends = answer(&mut stream, head, is_chunked);
        }
    });
    Endpoint::parse("ENDPOINT", &url).unwrap()
}

fn answer(stream: &mut TcpStream, head: &str, is_chunked: bool) -> std::io::Result<()> {
    stream.write_all(head.as_bytes())?;
    for _ in 0..GIB / PIECE.len() as u64 {
        if is_chunked {
            stream.write_all(b"10000\r\n")?;
        }
        stream.write_all(&PIECE)?;
        if is_chunked {
            stream.write_all(b"\r\n")?;
        }
    }
    if is_chunked {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

/// Sends a request twice, and returns the second delivery and the rise of the heap meanwhile: the first one
/// allocates what stays for the process.
fn send(endpoint: Endpoint) -> (Delivery, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let transport = Transport::builder()
        .with_endpoint(endpoint)
        .with_request_timeout(PATIENCE)
        .build()
        .unwrap();
    runtime.block_on(transport.send(b"\n\0".to_vec()));
    let before = allocator::reset_peak();
    let delivery = runtime.block_on(transport.send(b"\n\0".to_vec()));
    (delivery, allocator::heap().peak - before)
}

#[test]
fn an_answer_of_a_gib_costs_little_memory() {
    let too_large = || Outcome::Failed(Failure::ResponseTooLarge);
    let rejected = || Outcome::Failed(Failure::Rejected { status: ResponseStatus::Http(400) });
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n", false, too_large()),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", true, too_large()),
        // As long as the connection.
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", false, too_large()),
        (
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1073741824\r\n\r\n",
            false,
            too_large(),
        ),
        // The status alone classifies a failure.
        ("HTTP/1.1 400 Bad Request\r\ncontent-length: 1073741824\r\n\r\n", false, rejected()),
        ("HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n", true, rejected()),
    ];
    for (head, is_chunked, outcome) in cases {
        let (delivery, rise) = send(serve(head, is_chunked));
        assert_eq!(delivery.outcome, outcome, "{head:?}");
        assert!(rise <= MAX_RISE, "{head:?}: the heap has risen by {rise} bytes");
    }
}

//! Peers that send without end: each attempt ends with its time, in bounded memory.

#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use std::time::Duration;

use peer::{Peer, ok, send};
use spanwise_testkit::{CountingAllocator, allocator};
use spanwise_transport::{Endpoint, Failure, FetchError, Fetcher, Outcome, RetryPolicy, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Far beyond the times of the attempts, far below forever.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of all bytes that a peer sends, this many are held at most: headers, a body, and their copies.
const MAX_HELD: u64 = 2 << 20;

/// All tests share the heap: one test at a time.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Answers each connection with `head`, and then `again` without end, as fast as it is read or one
/// every few milliseconds.
async fn endless(head: &'static str, again: &'static str, drip: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _some = stream.read(&mut [0; 4096]).await;
                let mut open = stream.write_all(head.as_bytes()).await.is_ok();
                let many = again.repeat(if drip { 1 } else { 4096 / again.len() });
                while open {
                    open = stream.write_all(many.as_bytes()).await.is_ok();
                    if drip {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            });
        }
    });
    url
}

const CASES: [(&str, &str); 9] = [
    // Informational answers.
    ("", "HTTP/1.1 100 Continue\r\n\r\n"),
    ("", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
    // Headers that do not end.
    ("HTTP/1.1 200 OK\r\n", "a: b\r\n"),
    ("HTTP/1.1 200 OK\r\na: ", "b"),
    ("HTTP/1.1 200 ", "O"),
    // Chunks of one byte, extensions of a chunk, trailers.
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\na\r\n"),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", "a"),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "a: b\r\n"),
    // Blank lines, which HTTP lets pass in front of an answer.
    ("", "\r\n"),
];

#[tokio::test]
async fn an_endless_answer_ends_with_the_attempt() {
    let _alone = ONE_AT_A_TIME.lock().await;
    for drip in [false, true] {
        for (head, again) in CASES {
            let url = endless(head, again, drip).await;
            let transport = Transport::builder()
                .with_endpoint(Endpoint::parse("TEST", &url).unwrap())
                .with_attempt_timeout(Duration::from_millis(150))
                .with_request_timeout(Duration::from_millis(250))
                .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(20)))
                .build()
                .unwrap();
            let before = allocator::reset_peak();
            let sending = tokio::time::timeout(PATIENCE, send(&transport));
            let delivery = sending.await.unwrap_or_else(|_| panic!("no end: {head:?} {again:?}"));
            let held = allocator::heap().peak - before;
            assert!(held < MAX_HELD, "{held} bytes: {head:?} {again:?}");
            assert!(!delivery.is_accepted(), "{head:?} {again:?}: {delivery:?}");

            let endpoint = Endpoint::parse("TEST", &url).unwrap();
            let fetcher = Fetcher::new(endpoint, Duration::from_millis(150), 4096).unwrap();
            let fetching = tokio::time::timeout(PATIENCE, fetcher.get());
            let error = fetching.await.unwrap_or_else(|_| panic!("no end: {again:?}")).unwrap_err();
            let expected =
                matches!(error, FetchError::Unreachable { .. } | FetchError::TooLarge { .. });
            assert!(expected, "{head:?} {again:?}: {error}");
        }
    }
}

/// They cost the time of the thread that other destinations share.
#[tokio::test]
async fn endless_interim_answers_end_after_256_kib() {
    let _alone = ONE_AT_A_TIME.lock().await;
    for (head, again) in [CASES[0], CASES[1]] {
        let url = endless(head, again, false).await;
        let endpoint = Endpoint::parse("TEST", &url).unwrap();
        let transport = Transport::builder()
            .with_endpoint(endpoint.clone())
            .with_attempt_timeout(2 * PATIENCE)
            .with_request_timeout(2 * PATIENCE)
            .build()
            .unwrap();
        let delivery = tokio::time::timeout(PATIENCE, send(&transport)).await.unwrap();
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::ResponseTooLarge), "{again:?}");
        assert_eq!((&*delivery.cause, delivery.attempts), (TOO_LARGE, 1));
        let fetcher = Fetcher::new(endpoint, 2 * PATIENCE, 4096).unwrap();
        let fetched = tokio::time::timeout(PATIENCE, fetcher.get()).await.unwrap();
        assert!(fetched.unwrap_err().to_string().contains(TOO_LARGE), "{again:?}");
    }
}

const TOO_LARGE: &str = "the head of the answer is too large";

/// HTTP/2 frames without end, on the connection or on the stream.
#[cfg(feature = "grpc")]
#[tokio::test]
async fn endless_frames_end_with_the_attempt() {
    let _alone = ONE_AT_A_TIME.lock().await;
    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() as u32).to_be_bytes();
        [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }
    let headers = |flags| frame(1, flags, 1, b"\x88");
    let cases = [
        ("settings", Vec::new(), frame(4, 0, 0, &[])),
        ("pings", Vec::new(), frame(6, 0, 0, &[0; 8])),
        ("continuations", headers(0), frame(9, 0, 1, b"\x00\x01a\x01b")),
        ("empty data", headers(4), frame(0, 0, 1, &[])),
        ("data", headers(4), frame(0, 0, 1, &[0; 1000])),
        ("windows", Vec::new(), frame(8, 0, 0, &[0, 0, 0, 1])),
        ("resets", Vec::new(), frame(3, 0, 1, &[0, 0, 0, 8])),
        ("unknown", Vec::new(), frame(99, 0, 0, &[0; 100])),
    ];
    for (name, first, again) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let peer = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (first, again) = (first.clone(), again.clone());
                tokio::spawn(async move {
                    let _preface = stream.read_exact(&mut [0; 24]).await;
                    let (mut read, mut write) = stream.into_split();
                    let reading = tokio::spawn(async move {
                        while matches!(read.read(&mut [0; 4096]).await, Ok(1..)) {}
                    });
                    let mut open = write.write_all(&frame(4, 0, 0, &[])).await.is_ok();
                    // The request has time to come, so that its stream is open.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    open = open && write.write_all(&first).await.is_ok();
                    while open {
                        open = write.write_all(&again.repeat(40)).await.is_ok();
                    }
                    reading.abort();
                });
            }
        });
        let transport = Transport::builder()
            .with_protocol(spanwise_transport::Protocol::Grpc)
            .with_endpoint(Endpoint::parse_grpc("TEST", &address, true).unwrap())
            .with_attempt_timeout(Duration::from_millis(150))
            .with_request_timeout(Duration::from_millis(250))
            .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(20)))
            .build()
            .unwrap();
        let before = allocator::reset_peak();
        let sending = tokio::time::timeout(PATIENCE, send(&transport));
        let delivery = sending.await.unwrap_or_else(|_| panic!("no end: {name}"));
        let held = allocator::heap().peak - before;
        peer.abort();
        assert!(!delivery.is_accepted(), "{name}: {delivery:?}");
        assert!(held < MAX_HELD, "{name}: {held} bytes");
    }
}

#[tokio::test]
async fn a_dropped_transport_closes_its_connections() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let peer = Peer::new([ok()]).await;
    let endpoint = Endpoint::parse("TEST", &peer.url()).unwrap();
    let transport = Transport::builder().with_endpoint(endpoint).build().unwrap();
    assert!(send(&transport).await.is_accepted());
    let clone = transport.clone();
    drop(transport);
    assert!(send(&clone).await.is_accepted());
    assert_eq!(peer.connections(), 1);
    drop(clone);
    tokio::time::timeout(PATIENCE, peer.closed.notified()).await.unwrap();

    let document = Peer::new([ok()]).await;
    let endpoint = Endpoint::parse("TEST", &document.url()).unwrap();
    let fetcher = Fetcher::new(endpoint, PATIENCE, 100).unwrap();
    assert!(fetcher.get().await.is_ok());
    drop(fetcher);
    tokio::time::timeout(PATIENCE, document.closed.notified()).await.unwrap();
}

/// The peer reads the first bytes of a request alone, and answers, or does not. hyper writes what it
/// has begun before it closes a connection, which never ends here.
#[tokio::test]
async fn a_peer_that_does_not_read_a_request_holds_no_memory_of_it() {
    const MESSAGE: usize = 16 << 20;
    let _alone = ONE_AT_A_TIME.lock().await;
    for (answer, attempt) in [
        ("", Duration::from_millis(300)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", PATIENCE),
        ("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n", PATIENCE),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", PATIENCE),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let transport = Transport::builder()
            .with_endpoint(Endpoint::parse("TEST", &url).unwrap())
            .with_attempt_timeout(attempt)
            .with_request_timeout(attempt)
            .build()
            .unwrap();
        let before = allocator::heap().current;
        let (_delivery, _open) = tokio::join!(transport.send(vec![b'a'; MESSAGE]), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _some = stream.read(&mut [0; 100]).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream
        });
        let freed = async {
            while allocator::heap().current > before + MESSAGE as u64 / 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, freed).await.is_ok(), "still held: {answer:?}");
    }
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn a_dropped_grpc_transport_closes_its_connection() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let transport = Transport::builder()
        .with_protocol(spanwise_transport::Protocol::Grpc)
        .with_endpoint(Endpoint::parse_grpc("TEST", &address, true).unwrap())
        .build()
        .unwrap();
    // Begun and cancelled: the connection stays.
    let soon = std::time::Instant::now() + Duration::from_millis(200);
    let (_, (mut stream, _)) = tokio::join!(transport.send_until(peer::request(1), soon), async {
        listener.accept().await.unwrap()
    });
    drop(transport);
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open");
}

#[tokio::test]
async fn connections_are_as_many_as_requests_in_flight() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let peer = Peer::new([ok()]).await;
    let endpoint = Endpoint::parse("TEST", &peer.url()).unwrap();
    let transport = Transport::builder().with_endpoint(endpoint).build().unwrap();
    for _ in 0..50 {
        assert!(send(&transport).await.is_accepted());
    }
    assert_eq!(peer.connections(), 1, "one after the other share one");
    for _ in 0..50 {
        let sent =
            tokio::join!(send(&transport), send(&transport), send(&transport), send(&transport),);
        assert!(sent.0.is_accepted() && sent.1.is_accepted());
        assert!(sent.2.is_accepted() && sent.3.is_accepted());
    }
    // Those in flight, idle ones, and some that the peer has not seen the end of.
    assert!(peer.max_open() <= 12, "{} at once", peer.max_open());
    // Four that all rounds share, and a few more begun before a response was noticed.
    assert!(peer.connections() <= 25, "{} for 250 requests", peer.connections());
}

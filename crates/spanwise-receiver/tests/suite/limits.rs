//! Clients that exceed the limits, and receivers inside other runtimes.

use crate::support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream as StdStream};
use std::time::{Duration, Instant};

use spanwise_receiver::{Answer, Limits, Receiver, StartError};
use support::*;

const MOMENT: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

fn start(limits: Limits) -> Receiver {
    Receiver::builder().with_limits(limits).start().unwrap()
}

/// A socket that sends `text` and nothing else.
fn send(receiver: &Receiver, text: &str) -> StdStream {
    let mut stream = StdStream::connect(receiver.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Reads until the receiver closes the connection.
fn receive_all(mut stream: StdStream) -> String {
    let mut response = Vec::new();
    match stream.read_to_end(&mut response) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("the connection is still open")
        }
        // A reset closes the connection too.
        _ => String::from_utf8_lossy(&response).into_owned(),
    }
}

fn head(rest: &str) -> String {
    format!("POST {TRACES} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n{rest}")
}

#[tokio::test]
async fn a_body_above_the_limit_is_413_in_every_encoding() {
    let receiver = start(Limits::default().with_body_bytes(1000));
    let mut client = Http1::connect(&receiver).await;
    let within = vec![0xff; 1000];
    let above = vec![0xff; 1001];
    assert_eq!(client.post(within).await.status, 400);
    assert_eq!(client.post(above).await.status, 413);
    let bomb = post(gzip(&vec![0; 100_000])).header("content-encoding", "gzip").body_of();
    assert_eq!(client.send(bomb).await.status, 413);

    let chunked = send(&receiver, &head("connection: close\r\ntransfer-encoding: chunked\r\n\r\n"));
    let mut writer = chunked.try_clone().unwrap();
    writer.write_all(format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001)).as_bytes()).unwrap();
    assert!(receive_all(chunked).starts_with("HTTP/1.1 413"));

    // A declared length above the limit is rejected without waiting for the body.
    for length in ["1001", "9223372036854775807"] {
        let stream = send(
            &receiver,
            &head(&format!(
                "connection: close\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\r\n"
            )),
        );
        let response = receive_all(stream);
        assert!(response.starts_with("HTTP/1.1 413"), "{response}");
    }
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

#[tokio::test]
async fn a_gzip_bomb_is_rejected_at_the_limit() {
    let receiver = start(Limits::default().with_body_bytes(1 << 20));
    let mut client = Http1::connect(&receiver).await;
    let bomb = gzip(&vec![0; 4 << 20]);
    assert!(bomb.len() < 1 << 16);
    let request = post(bomb).header("content-encoding", "gzip").body_of();
    assert_eq!(client.send(request).await.status, 413);
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

#[tokio::test]
async fn an_overload_has_a_retry_delay() {
    let receiver = start(Limits::default().with_memory_bytes(1000));
    let mut client = Http1::connect(&receiver).await;
    let answer = client.post(vec![0xff; 1001]).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "1");
    // The connection stays open.
    assert_eq!(client.post(request(1, "x").1).await.status, 200);
    assert_eq!(receiver.stats().connections, 1);
}

#[tokio::test]
async fn requests_share_the_memory_and_return_it() {
    // One request holds the memory while it receives its body; the next request is rejected.
    let receiver = start(Limits::default().with_memory_bytes(1500));
    let (_, bytes) = request(25, "0123456789");
    assert!(bytes.len() > 800 && bytes.len() < 1500);
    let (first, rest) = bytes.split_at(bytes.len() - 1);
    let mut stream = send(
        &receiver,
        &head(&format!("connection: close\r\ncontent-length: {}\r\n\r\n", bytes.len())),
    );
    stream.write_all(first).unwrap();
    while receiver.stats().bytes_in_memory == 0 {
        std::thread::yield_now();
    }
    let mut client = Http1::connect(&receiver).await;
    assert_eq!(client.post(bytes.clone()).await.status, 503);
    stream.write_all(rest).unwrap();
    assert!(receive_all(stream).starts_with("HTTP/1.1 200"));
    assert_eq!(client.post(bytes.clone()).await.status, 200);
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

#[test]
fn the_memory_of_a_closed_client_is_returned() {
    let receiver = start(Limits::default());
    for _ in 0..50 {
        let mut stream = send(&receiver, &head("content-length: 1000000\r\n\r\n"));
        stream.write_all(&[0; 5000]).unwrap();
    }
    let start = Instant::now();
    while receiver.stats().requests < 50 || receiver.stats().bytes_in_memory > 0 {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert_eq!(receiver.stats().spans, 0);
}

#[test]
fn slow_headers_are_closed_after_the_header_timeout() {
    let receiver = start(Limits::default().with_header_timeout(MOMENT));
    for text in ["", "P", "PRI", "POST /v1", &head("x-never: ending")] {
        let start = Instant::now();
        let stream = send(&receiver, text);
        assert_eq!(receive_all(stream), "", "{text}");
        assert!(start.elapsed() >= MOMENT, "{text}");
    }
}

#[test]
fn headers_that_arrive_slowly_are_closed_after_the_header_timeout() {
    let receiver = start(Limits::default().with_header_timeout(MOMENT));
    let stream = send(&receiver, "POST /v1/traces HTTP/1.1\r\nx: ");
    let mut writer = stream.try_clone().unwrap();
    let slow_writer = std::thread::spawn(move || {
        while writer.write_all(b"y").is_ok() {
            std::thread::sleep(MOMENT / 20);
        }
    });
    assert_eq!(receive_all(stream), "");
    slow_writer.join().unwrap();
}

#[test]
fn bodies_below_the_minimum_rate_are_rejected() {
    let limits = Limits::default().with_body_window(MOMENT).with_body_rate(100);
    let receiver = start(limits);
    let mut stream = send(&receiver, &head("content-length: 100\r\n\r\n"));
    stream.write_all(b"\x0a").unwrap();
    let response = receive_all(stream);
    assert!(response.starts_with("HTTP/1.1 408"), "{response}");
}

#[tokio::test]
async fn an_idle_connection_may_outlive_the_header_timeout() {
    let limits = Limits::default().with_header_timeout(MOMENT / 4).with_idle_timeout(4 * MOMENT);
    let receiver = start(limits);
    let mut client = Http1::connect(&receiver).await;
    for _ in 0..2 {
        assert_eq!(client.post(request(1, "x").1).await.status, 200);
        tokio::time::sleep(MOMENT).await;
    }
    let start = Instant::now();
    while client.try_send(draft("GET", "/", "").body_of()).await.is_ok() {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(4 * MOMENT + MOMENT).await;
    }
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    // Pings do not extend the idle timeout.
    let limits = Limits::default().with_idle_timeout(MOMENT).with_ping_interval(MOMENT / 10);
    let receiver = start(limits);
    let mut client = Http2::connect(&receiver).await;
    assert_eq!(client.export(&request(1, "x").1).await.grpc("grpc-status"), Some("0"));
    let idle_since = Instant::now();
    while !client.is_closed() {
        assert!(idle_since.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
    // The idle timeout starts with the response, a little before this clock.
    assert!(idle_since.elapsed() > MOMENT / 2);
}

#[tokio::test]
async fn large_http2_headers_are_rejected() {
    let receiver = start(Limits::default().with_header_bytes(2000));
    let mut client = Http2::connect(&receiver).await;
    let large = post(request(1, "x").1).header("x", &"y".repeat(3000)).body_of();
    assert_eq!(client.send(large).await.status, 431);
    assert_eq!(client.export(&request(1, "x").1).await.grpc("grpc-status"), Some("0"));
}

#[test]
fn large_headers_are_431() {
    let receiver = start(Limits::default().with_header_bytes(2000));
    let stream = send(&receiver, &head(&format!("x: {}\r\n\r\n", "y".repeat(3000))));
    let response = receive_all(stream);
    assert!(response.starts_with("HTTP/1.1 431"), "{response}");
}

#[test]
fn headers_of_exactly_the_largest_limit_are_accepted() {
    let receiver = start(Limits::default().with_header_bytes(128 << 10));
    let rest = "connection: close\r\ncontent-length: 0\r\nx: \r\n\r\n";
    let max = (128 << 10) - head(rest).len();
    for (more, status) in [(0, "200"), (1, "431")] {
        let value = format!("x: {}\r\n", "y".repeat(max + more));
        let response = receive_all(send(&receiver, &head(&rest.replace("x: \r\n", &value))));
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{more}: {response}");
    }
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_closed_at_once() {
    let receiver = start(Limits::default().with_connections(2));
    let mut one = Http1::connect(&receiver).await;
    let mut two = Http1::connect(&receiver).await;
    for client in [&mut one, &mut two] {
        assert_eq!(client.post(request(1, "x").1).await.status, 200);
    }
    assert_eq!(receive_all(send(&receiver, "")), "");
    let stats = receiver.stats();
    assert_eq!((stats.connections, stats.refused_connections), (2, 1));
    assert_eq!(one.post(request(1, "x").1).await.status, 200);
    // A new connection replaces a closed one.
    drop(two);
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE);
        let mut three = Http1::connect(&receiver).await;
        if three.try_send(post(request(1, "x").1).body_of()).await.is_ok() {
            break;
        }
    }
}

#[test]
fn protocols_other_than_http_are_closed() {
    let receiver = start(Limits::default().with_header_timeout(MOMENT).with_idle_timeout(MOMENT));
    for text in
        ["SSH-2.0-OpenSSH_9.9\r\n", "\x16\x03\x01\x02\0\x01\0", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"]
    {
        receive_all(send(&receiver, text));
    }
    // The receiver still serves HTTP.
    let response =
        receive_all(send(&receiver, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
}

#[test]
fn conflicting_lengths_are_rejected() {
    let receiver = start(Limits::default());
    for lengths in [
        "content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "content-length: -1\r\n\r\n",
        "content-length: x\r\n\r\n",
    ] {
        let response = receive_all(send(&receiver, &head(lengths)));
        assert!(response.starts_with("HTTP/1.1 400"), "{response}");
    }
}

#[test]
fn an_address_in_use_is_an_error() {
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = used.local_addr().unwrap();
    let error = Receiver::builder().with_address(address).start().unwrap_err();
    assert!(matches!(error, StartError::Bind { address: at, .. } if at == address), "{error}");
}

#[test]
fn the_port_is_free_again_after_shutdown() {
    let receiver = start(Limits::default());
    let address = receiver.address();
    assert_eq!(receiver.http_endpoint(), format!("http://{address}"));
    let waiting = send(&receiver, "");
    receiver.shutdown();
    assert_eq!(receive_all(waiting), "");
    Receiver::builder().with_address(address).start().unwrap();
}

#[tokio::test]
async fn the_receiver_starts_and_stops_inside_any_runtime() {
    let mut client = {
        let receiver = start(Limits::default());
        let mut client = Http2::connect(&receiver).await;
        assert_eq!(client.export(&request(1, "x").1).await.grpc("grpc-status"), Some("0"));
        client
        // Dropped here, on a thread that drives the client too.
    };
    tokio::spawn(async move { client.export(b"").await }).await.unwrap_err();
}

#[tokio::test]
async fn shutdown_waits_for_open_requests_until_its_timeout() {
    let limits = Limits::default().with_shutdown_timeout(Duration::from_secs(5));
    let receiver = Receiver::builder()
        .with_limits(limits)
        .with_handler(|_| Answer::Accept.after(MOMENT))
        .start()
        .unwrap();
    let mut client = Http1::connect(&receiver).await;
    let answer = tokio::spawn(async move { client.post(request(1, "x").1).await.status });
    while receiver.stats().spans == 0 {
        tokio::task::yield_now().await;
    }
    tokio::task::spawn_blocking(|| receiver.shutdown()).await.unwrap();
    assert_eq!(answer.await.unwrap(), 200);

    let receiver = Receiver::builder()
        .with_limits(Limits::default().with_shutdown_timeout(Duration::MAX))
        .with_handler(|_| Answer::Accept.after(Duration::MAX))
        .start()
        .unwrap();
    let mut client = Http1::connect(&receiver).await;
    let answer = tokio::spawn(async move { client.try_send(post("").body_of()).await });
    while receiver.stats().requests == 0 {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    receiver.shutdown_within(MOMENT);
    assert!(start.elapsed() < PATIENCE);
    assert!(answer.await.unwrap().is_err());
}

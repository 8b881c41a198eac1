//! Clients that take more than their share, and runtimes that are in the way.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

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

/// A socket that says `text` and nothing else.
fn say(receiver: &Receiver, text: &str) -> StdStream {
    let mut stream = StdStream::connect(receiver.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Whatever the receiver answers until it closes the connection.
fn hear(mut stream: StdStream) -> String {
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("the connection is still open")
        }
        // A reset is an end too.
        _ => String::from_utf8_lossy(&heard).into_owned(),
    }
}

fn head(rest: &str) -> String {
    format!("POST {TRACES} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n{rest}")
}

#[tokio::test]
async fn a_body_above_the_limit_is_413_however_it_is_said() {
    let receiver = start(Limits::default().with_body_bytes(1000));
    let mut client = Http1::connect(&receiver).await;
    let within = vec![0xff; 1000];
    let above = vec![0xff; 1001];
    assert_eq!(client.post(within).await.status, 400);
    assert_eq!(client.post(above).await.status, 413);
    let bomb = post(gzip(&vec![0; 100_000])).header("content-encoding", "gzip").body_of();
    assert_eq!(client.send(bomb).await.status, 413);

    let chunked = say(&receiver, &head("connection: close\r\ntransfer-encoding: chunked\r\n\r\n"));
    let mut writer = chunked.try_clone().unwrap();
    writer.write_all(format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001)).as_bytes()).unwrap();
    assert!(hear(chunked).starts_with("HTTP/1.1 413"));

    // A length that no body could have is refused without waiting for one.
    for length in ["1001", "9223372036854775807"] {
        let stream = say(
            &receiver,
            &head(&format!(
                "connection: close\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\r\n"
            )),
        );
        let heard = hear(stream);
        assert!(heard.starts_with("HTTP/1.1 413"), "{heard}");
    }
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

#[tokio::test]
async fn a_gzip_bomb_stays_small() {
    let receiver = start(Limits::default().with_body_bytes(1 << 20));
    let mut client = Http1::connect(&receiver).await;
    let bomb = gzip(&vec![0; 4 << 20]);
    assert!(bomb.len() < 1 << 16);
    let request = post(bomb).header("content-encoding", "gzip").body_of();
    assert_eq!(client.send(request).await.status, 413);
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

#[tokio::test]
async fn an_overload_says_when_to_come_back() {
    let receiver = start(Limits::default().with_memory_bytes(1000));
    let mut client = Http1::connect(&receiver).await;
    let answer = client.post(vec![0xff; 1001]).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "1");
    // The same connection goes on.
    assert_eq!(client.post(request(1, "x").1).await.status, 200);
    assert_eq!(receiver.stats().connections, 1);
}

#[tokio::test]
async fn memory_is_shared_and_given_back() {
    // One request holds the memory while its body is on the way; the next finds none.
    let receiver = start(Limits::default().with_memory_bytes(1500));
    let (_, bytes) = request(25, "0123456789");
    assert!(bytes.len() > 800 && bytes.len() < 1500);
    let (first, rest) = bytes.split_at(bytes.len() - 1);
    let mut stream = say(
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
    assert!(hear(stream).starts_with("HTTP/1.1 200"));
    assert_eq!(client.post(bytes.clone()).await.status, 200);
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

#[test]
fn a_client_that_goes_away_gives_its_memory_back() {
    let receiver = start(Limits::default());
    for _ in 0..50 {
        let mut stream = say(&receiver, &head("content-length: 1000000\r\n\r\n"));
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
fn slow_heads_are_cut() {
    let receiver = start(Limits::default().with_header_timeout(MOMENT));
    for text in ["", "P", "PRI", "POST /v1", &head("x-never: ending")] {
        let start = Instant::now();
        let stream = say(&receiver, text);
        assert_eq!(hear(stream), "", "{text}");
        assert!(start.elapsed() >= MOMENT, "{text}");
    }
}

#[test]
fn a_dripping_head_is_cut_although_it_never_rests() {
    let receiver = start(Limits::default().with_header_timeout(MOMENT));
    let stream = say(&receiver, "POST /v1/traces HTTP/1.1\r\nx: ");
    let mut writer = stream.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        while writer.write_all(b"y").is_ok() {
            std::thread::sleep(MOMENT / 20);
        }
    });
    assert_eq!(hear(stream), "");
    dripping.join().unwrap();
}

#[test]
fn slow_bodies_are_cut() {
    let limits = Limits::default().with_body_window(MOMENT).with_body_rate(100);
    let receiver = start(limits);
    let mut stream = say(&receiver, &head("content-length: 100\r\n\r\n"));
    stream.write_all(b"\x0a").unwrap();
    let heard = hear(stream);
    assert!(heard.starts_with("HTTP/1.1 408"), "{heard}");
}

#[tokio::test]
async fn a_connection_rests_between_requests_longer_than_a_head_may_take() {
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
async fn an_http2_connection_at_rest_is_let_go() {
    // Pings keep it alive for us to use, not to hold a place for ever.
    let limits = Limits::default().with_idle_timeout(MOMENT).with_ping_interval(MOMENT / 10);
    let receiver = start(limits);
    let mut client = Http2::connect(&receiver).await;
    assert_eq!(client.export(&request(1, "x").1).await.grpc("grpc-status"), Some("0"));
    let rested = Instant::now();
    while !client.is_closed() {
        assert!(rested.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
    // The receiver's clock starts with the answer, a little before ours.
    assert!(rested.elapsed() > MOMENT / 2);
}

#[tokio::test]
async fn large_http2_heads_are_refused() {
    let receiver = start(Limits::default().with_header_bytes(2000));
    let mut client = Http2::connect(&receiver).await;
    let large = post(request(1, "x").1).header("x", &"y".repeat(3000)).body_of();
    assert_eq!(client.send(large).await.status, 431);
    assert_eq!(client.export(&request(1, "x").1).await.grpc("grpc-status"), Some("0"));
}

#[test]
fn large_heads_are_431() {
    let receiver = start(Limits::default().with_header_bytes(2000));
    let stream = say(&receiver, &head(&format!("x: {}\r\n\r\n", "y".repeat(3000))));
    let heard = hear(stream);
    assert!(heard.starts_with("HTTP/1.1 431"), "{heard}");
}

#[test]
fn the_largest_heads_of_the_range_are_taken_whole() {
    let receiver = start(Limits::default().with_header_bytes(128 << 10));
    let rest = "connection: close\r\ncontent-length: 0\r\nx: \r\n\r\n";
    let most = (128 << 10) - head(rest).len();
    for (more, status) in [(0, "200"), (1, "431")] {
        let value = format!("x: {}\r\n", "y".repeat(most + more));
        let heard = hear(say(&receiver, &head(&rest.replace("x: \r\n", &value))));
        assert!(heard.starts_with(&format!("HTTP/1.1 {status}")), "{more}: {heard}");
    }
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let receiver = start(Limits::default().with_connections(2));
    let mut one = Http1::connect(&receiver).await;
    let mut two = Http1::connect(&receiver).await;
    for client in [&mut one, &mut two] {
        assert_eq!(client.post(request(1, "x").1).await.status, 200);
    }
    assert_eq!(hear(say(&receiver, "")), "");
    let stats = receiver.stats();
    assert_eq!((stats.connections, stats.refused_connections), (2, 1));
    assert_eq!(one.post(request(1, "x").1).await.status, 200);
    // A place that becomes free is given away.
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
fn other_languages_than_http_end_soon() {
    let receiver = start(Limits::default().with_header_timeout(MOMENT).with_idle_timeout(MOMENT));
    for text in
        ["SSH-2.0-OpenSSH_9.9\r\n", "\x16\x03\x01\x02\0\x01\0", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"]
    {
        hear(say(&receiver, text));
    }
    // It is none the worse for it.
    let heard = hear(say(&receiver, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert!(heard.starts_with("HTTP/1.1 404"), "{heard}");
}

#[test]
fn conflicting_lengths_end_the_connection() {
    let receiver = start(Limits::default());
    for lengths in [
        "content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "content-length: -1\r\n\r\n",
        "content-length: x\r\n\r\n",
    ] {
        let heard = hear(say(&receiver, &head(lengths)));
        assert!(heard.starts_with("HTTP/1.1 400"), "{heard}");
    }
}

#[test]
fn a_taken_address_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Receiver::builder().with_address(address).start().unwrap_err();
    assert!(matches!(error, StartError::Bind { address: at, .. } if at == address), "{error}");
}

#[test]
fn the_port_is_free_again_after_shutdown() {
    let receiver = start(Limits::default());
    let address = receiver.address();
    assert_eq!(receiver.http_endpoint(), format!("http://{address}"));
    let waiting = say(&receiver, "");
    receiver.shutdown();
    assert_eq!(hear(waiting), "");
    Receiver::builder().with_address(address).start().unwrap();
}

#[tokio::test]
async fn starts_and_stops_inside_any_runtime() {
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
async fn shutdown_waits_for_requests_under_way_and_not_for_ever() {
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
        .with_limits(Limits::default().with_shutdown_timeout(MOMENT))
        .with_handler(|_| Answer::Accept.after(Duration::MAX))
        .start()
        .unwrap();
    let mut client = Http1::connect(&receiver).await;
    let answer = tokio::spawn(async move { client.try_send(post("").body_of()).await });
    while receiver.stats().requests == 0 {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    receiver.shutdown();
    assert!(start.elapsed() < PATIENCE);
    assert!(answer.await.unwrap().is_err());
}

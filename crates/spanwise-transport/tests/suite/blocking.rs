//! The transport without an async runtime, beside the one with it.

use crate::peer;

use std::future::pending;
use std::io::{Read as _, Write as _};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use peer::{Act, Peer, answer, ok, partial_success, request};
use spanwise_testkit::ClosedPort;
use spanwise_transport::{
    BlockingTransport, Compression, Endpoint, Failure, Headers, IdleConnections, Outcome, Protocol,
    RetryPolicy, TransportBuilder,
};

/// A peer on a thread of its own, which lives as long as the test.
fn peer(acts: impl IntoIterator<Item = Act> + Send + 'static) -> Peer {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(Peer::new(acts).await).unwrap();
            pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

fn to(url: &str) -> TransportBuilder {
    BlockingTransport::builder().with_endpoint(Endpoint::parse("TEST", url).unwrap())
}

/// Short times, for what ends at a deadline.
fn hasty(builder: TransportBuilder) -> TransportBuilder {
    builder
        .with_attempt_timeout(Duration::from_millis(200))
        .with_request_timeout(Duration::from_millis(500))
        .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(20)))
}

fn blocking(url: &str) -> BlockingTransport {
    to(url).build_blocking().unwrap()
}

#[test]
fn a_request_arrives_as_the_specification_requires() {
    let body = partial_success(2, "bad\nids");
    let peer = peer([Act::Answer(answer(200, "", &body)), ok()]);
    let headers = Headers::parse("api-key=hunter2").unwrap();
    let transport = to(&peer.url()).with_headers(headers).build_blocking().unwrap();
    let delivery = transport.send(request(3));
    let message = Some("bad ids".to_owned());
    assert_eq!(delivery.outcome, Outcome::Accepted { rejected: 2, message });
    assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (1, 0));
    assert!(transport.send(request(1)).is_accepted());

    let received = peer.received();
    assert_eq!((received.len(), peer.connections()), (2, 1), "the connection is reused");
    assert!(received[0].head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", received[0].head);
    let address = peer.address.to_string();
    for (name, value) in [
        ("host", address.as_str()),
        ("content-type", "application/x-protobuf"),
        ("api-key", "hunter2"),
    ] {
        assert_eq!(received[0].header(name), Some(value), "{}", received[0].head);
    }
    assert!(received[0].header("user-agent").unwrap().starts_with("OTel-OTLP-Exporter-Rust"));
    assert_eq!(received[0].body, request(3));
}

#[test]
fn bodies_are_compressed_once() {
    let peer = peer([Act::Answer(answer(503, "", b"")), ok()]);
    let transport = to(&peer.url()).with_compression(Compression::Gzip).build_blocking().unwrap();
    let delivery = transport.send(request(500));
    assert!(delivery.is_accepted() && delivery.attempts == 2, "{delivery}");
    let received = peer.received();
    assert_eq!(received[0].header("content-encoding"), Some("gzip"));
    assert_eq!(received[0].body, received[1].body);
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&received[0].body[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, request(500));
}

/// The fields of a delivery that do not depend on the time.
#[cfg(feature = "tokio")]
fn essence(
    delivery: &spanwise_transport::Delivery,
) -> (Outcome, u32, u32, bool, String, Option<String>) {
    let spanwise_transport::Delivery {
        outcome,
        attempts,
        ambiguous_attempts,
        response_undecodable,
        ..
    } = delivery;
    let (cause, advice) = (delivery.cause.clone(), delivery.advice.clone());
    (outcome.clone(), *attempts, *ambiguous_attempts, *response_undecodable, cause, advice)
}

/// Every kind of answer has the same outcome, attempts, cause and advice as with the transport on tokio.
#[cfg(feature = "tokio")]
#[test]
fn answers_are_classified_as_with_a_runtime() {
    let once = |act: Act| vec![act, ok()];
    let answering =
        |status: u16, headers: &str, body: &[u8]| Act::Answer(answer(status, headers, body));
    let closing = |bytes: &[u8]| Act::AnswerAndClose(bytes.to_vec());
    let cases: Vec<Vec<Act>> = vec![
        once(ok()),
        once(answering(200, "", &partial_success(0, "warned"))),
        once(answering(200, "content-type: text/html\r\n", b"<p>")),
        once(answering(200, "content-encoding: br\r\n", b"x")),
        once(answering(204, "", b"")),
        once(answering(302, "location: http://127.0.0.1:1/\r\n", b"")),
        once(answering(400, "", b"no")),
        once(answering(401, "", b"")),
        once(answering(404, "", b"not here")),
        once(answering(413, "", b"")),
        once(answering(429, "retry-after: 0\r\n", b"")),
        once(answering(503, "", b"busy")),
        once(answering(500, "", &[b'x'; 20_000])),
        once(answering(599, "", b"")),
        once(answering(101, "", b"")),
        once(closing(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")),
        once(closing(b"HTTP/1.1 200 OK\r\n\r\n")),
        once(closing(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")),
        once(closing(b"SSH-2.0-OpenSSH_9.6\r\n")),
        once(closing(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64")),
        once(closing(b"\x15\x03\x01\0\x02\x02P")),
        once(closing(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")),
        once(Act::Close(1)),
        once(Act::Close(200)),
        once(answering(200, "", &[0; 70_000])),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for acts in cases {
        let eager = |builder: TransportBuilder| {
            builder.with_retry(RetryPolicy::default().with_cap(Duration::from_millis(2)))
        };
        let (one, other) = (peer(acts.clone()), peer(acts.clone()));
        let with_runtime = eager(to(&one.url())).build().unwrap();
        let with_runtime = runtime.block_on(with_runtime.send(request(3)));
        let without = eager(to(&other.url())).build_blocking().unwrap().send(request(3));
        let port = |text: String, peer: &Peer| text.replace(&peer.address.to_string(), "PEER");
        let [expected, found] = [(with_runtime, &one), (without, &other)]
            .map(|(it, peer)| port(format!("{:?}", essence(&it)), peer));
        assert_eq!(found, expected, "{acts:?}");
        assert_eq!(other.connections(), one.connections(), "{acts:?}");
    }
}

#[test]
fn a_silent_peer_costs_the_timeouts_and_no_more() {
    let drip = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_vec();
    for act in [Act::Hold, Act::Drip(drip)] {
        let peer = peer([act]);
        let start = Instant::now();
        let delivery = hasty(to(&peer.url())).build_blocking().unwrap().send(request(1));
        let took = start.elapsed();
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::AmbiguousTimeout), "{delivery}");
        assert!((400..5_000).contains(&took.as_millis()), "{took:?}");
        assert!(delivery.attempts >= 2 && delivery.ambiguous_attempts >= 2, "{delivery}");
    }
}

#[test]
fn a_request_ends_at_its_deadline() {
    let holding = peer([Act::Hold]);
    let transport = blocking(&holding.url());
    let until = Instant::now() + Duration::from_millis(100);
    let delivery = transport.send_until(request(1), until);
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Shutdown));
    assert!(delivery.may_have_been_accepted(), "{delivery}");
    assert!(until.elapsed() < Duration::from_secs(5));
    // A wait between attempts, of which none is ambiguous.
    let busy = peer([Act::Answer(answer(503, "retry-after: 30\r\n", b""))]);
    let until = Instant::now() + Duration::from_secs(1);
    let delivery = blocking(&busy.url()).send_until(request(1), until);
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Shutdown));
    assert!(!delivery.may_have_been_accepted(), "{delivery}");
    assert!(until.elapsed() < Duration::from_secs(5));
    let past = blocking(&busy.url()).send_until(request(1), Instant::now());
    assert_eq!((past.outcome, past.attempts), (Outcome::Failed(Failure::Shutdown), 0));
}

#[test]
fn a_closed_port_is_explained() {
    let closed = ClosedPort::new().unwrap();
    let url = closed.endpoint().unwrap();
    let delivery = hasty(to(&url)).build_blocking().unwrap().send(request(1));
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::RetryDeadline { last: None }));
    assert_eq!((delivery.cause.as_str(), delivery.ambiguous_attempts), ("connection refused", 0));
    assert!(delivery.advice.is_some_and(|advice| advice.contains("listening")));
}

#[test]
fn an_idle_connection_that_the_peer_closed_is_not_used_again() {
    let peer = peer([Act::AnswerAndClose(answer(200, "", b"")), ok()]);
    let transport = blocking(&peer.url());
    assert!(transport.send(request(1)).is_accepted());
    // The close arrives some time after the answer.
    thread::sleep(Duration::from_millis(50));
    let delivery = transport.send(request(1));
    assert!(delivery.is_accepted() && delivery.attempts == 1, "{delivery}");
    assert_eq!(peer.connections(), 2);
}

#[test]
fn no_connection_stays_open_that_may_not_be_idle() {
    let peer = peer([ok()]);
    let idle = IdleConnections::default().with_max_per_host(0);
    let transport = to(&peer.url()).with_idle_connections(idle).build_blocking().unwrap();
    for _ in 0..3 {
        assert!(transport.send(request(1)).is_accepted());
    }
    assert_eq!(peer.connections(), 3);
}

/// A proxy that refuses large bodies answers before it has read them, and may not read on.
#[test]
fn an_answer_that_comes_before_the_body_was_read_counts() {
    for closes in [false, true] {
        let server = spanwise_testkit::Peer::start(move |mut stream| {
            let mut head = [0; 1000];
            stream.read_exact(&mut head).unwrap();
            let answer = b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).unwrap();
            if !closes {
                thread::sleep(Duration::from_secs(5));
            }
        });
        let server = server.unwrap();
        let transport = blocking(&format!("{}/v1/traces", server.endpoint()));
        let start = Instant::now();
        let delivery = transport.send(vec![b'\n'; 30 << 20]);
        // A close with unread bytes is a reset, which may overtake the answer.
        if !closes {
            assert_eq!(delivery.outcome, Outcome::Failed(Failure::TooLarge), "{delivery}");
            assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        }
        assert!(!delivery.is_accepted());
    }
}

#[test]
fn threads_share_a_transport() {
    let peer = peer([ok()]);
    let transport = blocking(&peer.url());
    thread::scope(|scope| {
        for _ in 0..4 {
            let transport = transport.clone();
            scope.spawn(move || {
                for _ in 0..10 {
                    assert!(transport.send(request(2)).is_accepted());
                }
            });
        }
    });
    assert_eq!(peer.received().len(), 40);
    assert!(peer.connections() <= 8, "{}", peer.connections());
}

#[test]
fn settings_that_need_a_runtime_are_an_error() {
    let url = "http://localhost:4318/v1/traces";
    let grpc = to(url).with_protocol(Protocol::Grpc).build_blocking().unwrap_err();
    assert!(grpc.to_string().contains("grpc"), "{grpc}");
    let endpoint = Endpoint::parse("TEST", url).unwrap();
    let several = to(url).with_endpoints([endpoint.clone(), endpoint]).build_blocking();
    assert!(several.unwrap_err().to_string().contains("with_endpoints"));
    let short = to(url).with_attempt_timeout(Duration::ZERO).build_blocking();
    assert!(short.unwrap_err().to_string().contains("with_attempt_timeout"));
    let transport = to("http://localhost/?key=hunter2").build_blocking().unwrap();
    assert!(!format!("{transport:?}").contains("hunter2"));
}

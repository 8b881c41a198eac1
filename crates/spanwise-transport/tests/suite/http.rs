//! OTLP/HTTP against a peer on loopback.

#![cfg(feature = "tokio")]

use crate::peer;

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use peer::{Act, Peer, answer, ok, partial_success, request, send};
use prost::Message as _;
use spanwise_transport::{
    Compression, Delivery, Endpoint, Failure, Headers, Outcome, Protocol, ResponseStatus,
    RetryPolicy, Signal, Transport, TransportBuilder,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

fn to(peer: &Peer) -> TransportBuilder {
    Transport::builder().with_endpoint(Endpoint::parse("TEST", &peer.url()).unwrap())
}

/// Short times, for what ends at a deadline.
fn hasty(builder: TransportBuilder) -> TransportBuilder {
    builder
        .with_attempt_timeout(Duration::from_millis(150))
        .with_request_timeout(Duration::from_millis(400))
        .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(20)))
}

/// Short waits, for what is tried again.
fn eager() -> RetryPolicy {
    RetryPolicy::default().with_cap(Duration::from_millis(2))
}

async fn failed(acts: impl IntoIterator<Item = Act>) -> (Failure, Delivery) {
    let peer = Peer::new(acts).await;
    let delivery = send(&to(&peer).build().unwrap()).await;
    match delivery.outcome {
        Outcome::Failed(failure) => (failure, delivery),
        Outcome::Accepted { .. } => panic!("{delivery:?}"),
    }
}

#[tokio::test]
async fn a_request_arrives_as_the_specification_requires() {
    let body = partial_success(2, "bad\nids");
    let peer = Peer::new([Act::Answer(answer(200, "", &body)), ok()]).await;
    let headers = Headers::parse("api-key=hunter2").unwrap();
    let transport = to(&peer).with_headers(headers).build().unwrap();
    let delivery = send(&transport).await;
    let message = Some("bad ids".to_owned());
    assert_eq!(delivery.outcome, Outcome::Accepted { rejected: 2, message });
    assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (1, 0));
    assert!(send(&transport).await.is_accepted());

    let received = peer.received();
    assert_eq!((received.len(), peer.connections()), (2, 1), "the connection is reused");
    assert!(received[0].head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", received[0].head);
    let agent = concat!("OTel-OTLP-Exporter-Rust-Spanwise/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("content-type", Some("application/x-protobuf")),
        ("user-agent", Some(agent)),
        ("host", Some(peer.address.to_string().as_str())),
        ("api-key", Some("hunter2")),
        ("content-encoding", None),
    ] {
        assert_eq!(received[0].header(name), value, "{name}");
    }
    assert_eq!(received[0].body, request(3)[..]);
    assert_eq!(delivery.body_bytes, received[0].body.len());
}

#[tokio::test]
async fn metrics_go_to_their_path_and_have_their_answer() {
    let rejected = ExportMetricsPartialSuccess { rejected_data_points: 3, ..Default::default() };
    let body = ExportMetricsServiceResponse { partial_success: Some(rejected) }.encode_to_vec();
    let peer = Peer::new([Act::Answer(answer(200, "", &body)), Act::Answer(answer(404, "", b""))]);
    let peer = peer.await;
    let base =
        Endpoint::parse_base_of(Signal::Metrics, "TEST", &format!("http://{}", peer.address));
    let builder = Transport::builder().with_signal(Signal::Metrics);
    let transport = builder.clone().with_endpoint(base.unwrap()).build().unwrap();
    let delivery = send(&transport).await;
    assert_eq!(delivery.outcome, Outcome::Accepted { rejected: 3, message: None });
    let advice = send(&transport).await.advice.unwrap();
    assert!(advice.contains("usually take metrics at /v1/metrics"), "{advice}");
    assert!(peer.received()[0].head.starts_with("POST /v1/metrics HTTP/1.1\r\n"));

    let by_default = builder.clone().build().unwrap();
    assert_eq!(by_default.destination(), "http://localhost:4318/v1/metrics");
    let error = builder.with_protocol(Protocol::HttpJson).build().unwrap_err().to_string();
    assert_eq!(error, "with_protocol is http/json; accepted is http/protobuf or grpc for metrics");
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_attempt() {
    let peer = Peer::new([Act::AnswerAndClose(answer(200, "", b"")), ok()]).await;
    let transport = to(&peer).build().unwrap();
    assert!(send(&transport).await.is_accepted());
    peer.closed.notified().await;
    let delivery = send(&transport).await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    assert_eq!((delivery.attempts, peer.connections()), (1, 2));
}

#[tokio::test]
async fn gzip_is_used_only_when_the_body_becomes_smaller() {
    let peer = Peer::new([ok()]).await;
    let transport = to(&peer).with_compression(Compression::Gzip).build().unwrap();
    let soon = Instant::now() + Duration::from_secs(30);
    for spans in [1, 500] {
        assert!(transport.send_until(request(spans), soon).await.is_accepted());
    }
    let [small, large] = &peer.received()[..] else { panic!("two requests") };
    assert_eq!(small.header("content-encoding"), None);
    assert_eq!(small.body, request(1)[..]);
    assert_eq!(large.header("content-encoding"), Some("gzip"));
    let mut plain = Vec::new();
    GzDecoder::new(&large.body[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, request(500)[..]);
}

#[tokio::test]
async fn a_busy_server_receives_the_same_bytes_again() {
    let busy = |status| Act::Answer(answer(status, "retry-after: 0\r\n", b"busy"));
    let peer = Peer::new([busy(429), busy(502), busy(503), busy(504), ok()]).await;
    let delivery = send(&to(&peer).build().unwrap()).await;
    assert!(delivery.is_accepted());
    // A gateway's 502 and 504 leave the acceptance unknown.
    assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (5, 2));
    let received = peer.received();
    assert!(received.iter().all(|received| received.body == request(3)[..]));
    assert_eq!(received.len(), 5);
}

#[tokio::test]
async fn a_reset_at_any_byte_is_retried() {
    let probe = Peer::new([ok()]).await;
    assert!(send(&to(&probe).build().unwrap()).await.is_accepted());
    let length = probe.raw().len();
    for at in (1..length).step_by(7).chain([length]) {
        let peer = Peer::resetting([Act::Close(at), ok()]).await;
        let delivery = send(&to(&peer).with_retry(eager()).build().unwrap()).await;
        assert!(delivery.is_accepted(), "{at}: {delivery:?}");
        assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (2, 1), "{at}");
    }
}

#[tokio::test]
async fn an_answer_cut_short_is_retried() {
    let whole = answer(200, "", &partial_success(1, "no"));
    for at in 0..whole.len() {
        let peer = Peer::new([Act::AnswerAndClose(whole[..at].to_vec()), ok()]).await;
        let delivery = send(&to(&peer).with_retry(eager()).build().unwrap()).await;
        assert!(delivery.is_accepted(), "{at}: {delivery:?}");
        assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (2, 1), "{at}");
    }
}

#[tokio::test]
async fn a_closed_port_is_an_unambiguous_failure() {
    let port = spanwise_testkit::ClosedPort::new().unwrap();
    let endpoint = Endpoint::parse("TEST", &port.endpoint().unwrap()).unwrap();
    let transport = hasty(Transport::builder().with_endpoint(endpoint)).build().unwrap();
    let delivery = send(&transport).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::RetryDeadline { last: None }));
    assert_eq!(delivery.ambiguous_attempts, 0);
    assert!(delivery.attempts > 1 && delivery.detail.contains("refused"), "{delivery:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_end_ends_with_the_attempt() {
    let drip = b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n".to_vec();
    for act in [Act::Hold, Act::Drip(drip)] {
        let peer = Peer::new([act.clone()]).await;
        let start = Instant::now();
        let delivery = send(&hasty(to(&peer)).build().unwrap()).await;
        let took = start.elapsed();
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::AmbiguousTimeout), "{act:?}");
        assert_eq!(delivery.attempts, delivery.ambiguous_attempts);
        assert!(took > Duration::from_millis(300) && took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn a_request_to_a_peer_that_does_not_read_fails_at_the_deadline() {
    // The kernel accepts; no process reads the connection, and its buffers fill.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let endpoint = Endpoint::parse("TEST", &url).unwrap();
    let transport = hasty(Transport::builder().with_endpoint(endpoint)).build().unwrap();
    let soon = Instant::now() + Duration::from_secs(30);
    let delivery = transport.send_until(vec![b'\n'; 16 << 20], soon).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::AmbiguousTimeout));
    assert_eq!(delivery.attempts, delivery.ambiguous_attempts);
}

#[tokio::test]
async fn an_answer_before_the_request_was_read_counts() {
    let early = answer(413, "", b"4 MiB at most");
    let peer = Peer::with([Act::Hold], move |mut stream: TcpStream| {
        let early = early.clone();
        async move {
            stream.peek(&mut [0]).await.unwrap();
            stream.write_all(&early).await.unwrap();
            Some(stream)
        }
    })
    .await;
    let transport = to(&peer).build().unwrap();
    let soon = Instant::now() + Duration::from_secs(30);
    let delivery = transport.send_until(vec![b'\n'; 16 << 20], soon).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::TooLarge), "{delivery:?}");
    assert_eq!((delivery.attempts, &*delivery.detail), (1, "4 MiB at most"));
}

#[tokio::test]
async fn a_failure_is_known_by_its_status_even_if_its_body_drips() {
    for (status, failure) in [
        (400, Failure::Rejected { status: ResponseStatus::Http(400) }),
        (503, Failure::RetryDeadline { last: Some(ResponseStatus::Http(503)) }),
    ] {
        let head = format!("HTTP/1.1 {status} No\r\ncontent-length: 60000\r\n\r\n");
        let peer = Peer::new([Act::Drip(head.into_bytes())]).await;
        let delivery = send(&hasty(to(&peer)).build().unwrap()).await;
        assert_eq!(delivery.outcome, Outcome::Failed(failure));
        assert_eq!(delivery.ambiguous_attempts, 0);
    }
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read() {
    let mut bomb = GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 10_000_000]).unwrap();
    let bomb = answer(200, "content-encoding: gzip\r\n", &bomb.finish().unwrap());
    assert!(bomb.len() < 20_000);
    let many = "x-filler: 0123456789\r\n".repeat(10_000);
    let cases = [
        Act::Flood(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n".to_vec()),
        // Until the connection closes, and in one chunk of 4 GiB.
        Act::Flood(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        Act::Answer(bomb),
        Act::Answer(answer(200, &many, b"")),
    ];
    for case in cases {
        let (failure, delivery) = failed([case]).await;
        assert_eq!(failure, Failure::ResponseTooLarge, "{delivery:?}");
        assert_eq!(delivery.attempts, 1);
    }
    // The largest that is read.
    let peer = Peer::new([Act::Answer(answer(200, "", &[0; 64 * 1024]))]).await;
    let delivery = send(&to(&peer).build().unwrap()).await;
    assert!(delivery.is_accepted() && delivery.response_undecodable, "{delivery:?}");
}

#[tokio::test]
async fn redirects_are_not_followed_and_receive_no_headers() {
    let other = Peer::new([ok()]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}\r\n", other.url());
        let peer = Peer::new([Act::Answer(answer(status, &location, b""))]).await;
        let headers = Headers::parse("authorization=Bearer%20hunter2").unwrap();
        let transport = to(&peer).with_headers(headers).build().unwrap();
        let delivery = send(&transport).await;
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::Redirect { status }));
        assert_eq!(peer.received()[0].header("authorization"), Some("Bearer hunter2"));
    }
    assert_eq!((other.connections(), other.raw().len()), (0, 0));
}

#[tokio::test]
async fn bytes_that_are_not_http_are_an_ambiguous_response() {
    for banner in ["SSH-2.0-OpenSSH_9.6\r\n", "220 mail ESMTP\r\n", "\x15\x03\x01\0\x02\x02P"] {
        let (failure, delivery) = failed([Act::AnswerAndClose(banner.into())]).await;
        assert_eq!(failure, Failure::AmbiguousResponse, "{banner}: {delivery:?}");
    }
}

#[tokio::test]
async fn an_echoed_secret_is_masked() {
    let echo = answer(401, "", b"\x1b[31mbad token: Bearer hunter2\r\n");
    let peer = Peer::new([Act::Answer(echo)]).await;
    let headers = Headers::parse("authorization=Bearer%20hunter2").unwrap();
    let delivery = send(&to(&peer).with_headers(headers).build().unwrap()).await;
    let status = ResponseStatus::Http(401);
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Rejected { status }));
    assert_eq!(delivery.detail, "\\u{1b}[31mbad token: Bearer [redacted]");
}

#[tokio::test]
async fn a_dropped_send_closes_its_connection() {
    let peer = Peer::new([Act::Hold, ok()]).await;
    let transport = to(&peer).build().unwrap();
    tokio::select! {
        delivery = send(&transport) => panic!("{delivery:?}"),
        () = peer.read.notified() => {}
    }
    peer.closed.notified().await;
    assert!(send(&transport).await.is_accepted());
}

#[test]
fn a_transport_outlives_the_runtime_it_was_first_used_on() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serving = runtime();
    let peer = serving.block_on(Peer::new([ok()]));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || serving.block_on(async { drop(stopped.await) }));
    let transport = to(&peer).build().unwrap();
    for _ in 0..3 {
        let delivery = runtime().block_on(send(&transport));
        assert!(delivery.is_accepted(), "{delivery:?}");
        assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (1, 0));
    }
    drop(stop);
    server.join().unwrap();
}

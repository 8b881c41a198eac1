//! OTLP/gRPC against an HTTP/2 peer on loopback.

#![cfg(feature = "tokio")]

use crate::peer;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use peer::{partial_success, request, send};
use spanwise_transport::{
    Compression, Endpoint, Failure, Headers, Outcome, PREFIX, Protocol, ResponseStatus,
    RetryPolicy, Signal, Transport, TransportBuilder,
};
use tokio::net::TcpListener;

/// The answer of the peer to one call.
#[derive(Debug, Clone, Default)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    /// The body never ends, and no further frame follows.
    endless: bool,
    /// The body never ends, and frames follow forever.
    flood: bool,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.body.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if self.flood {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 8192])))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if self.endless { Poll::Pending } else { Poll::Ready(None) }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty() && self.trailers.is_none() && !self.endless && !self.flood
    }
}

type Received = Arc<Mutex<Vec<(Parts, Bytes)>>>;

/// Serves `answers`, one per call, the last forever.
async fn serve(answers: impl IntoIterator<Item = Answer>) -> (SocketAddr, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = Received::default();
    let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
    let keep = received.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answers, keep) = (answers.clone(), keep.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (answers, keep) = (answers.clone(), keep.clone());
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    keep.lock().unwrap().push((parts, body));
                    let mut answers = answers.lock().unwrap();
                    let last = answers.len() == 1;
                    let answer =
                        if last { answers[0].clone() } else { answers.pop_front().unwrap() };
                    let mut response = Response::builder().status(answer.status);
                    *response.headers_mut().unwrap() = answer.headers.clone();
                    Ok::<_, hyper::Error>(response.body(answer).unwrap())
                }
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, received)
}

fn to(address: SocketAddr) -> TransportBuilder {
    let endpoint = Endpoint::parse_grpc("TEST", &address.to_string(), true).unwrap();
    Transport::builder().with_protocol(Protocol::Grpc).with_endpoint(endpoint)
}

fn hasty(builder: TransportBuilder) -> TransportBuilder {
    builder
        .with_attempt_timeout(Duration::from_millis(150))
        .with_request_timeout(Duration::from_millis(400))
        .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(20)))
}

fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    fields.iter().map(pair).collect()
}

fn frame(flag: u8, message: &[u8]) -> VecDeque<Bytes> {
    let len = (message.len() as u32).to_be_bytes();
    // In pieces, as a network may deliver it.
    [[flag].as_slice(), &len, message].map(Bytes::copy_from_slice).into()
}

fn ok(message: &[u8]) -> Answer {
    Answer {
        status: 200,
        headers: map(&[("content-type", "application/grpc")]),
        body: frame(0, message),
        trailers: Some(map(&[("grpc-status", "0")])),
        ..Answer::default()
    }
}

/// An answer of headers alone.
fn trailers_only(fields: &[(&'static str, &'static str)]) -> Answer {
    Answer { status: 200, headers: map(fields), ..Answer::default() }
}

#[tokio::test]
async fn a_call_arrives_as_the_specification_requires() {
    let (address, received) = serve([ok(&partial_success(2, "late")), ok(b"")]).await;
    let headers = Headers::parse("api-key=hunter2").unwrap();
    let transport = to(address).with_headers(headers).build().unwrap();
    let delivery = send(&transport).await;
    let message = Some("late".to_owned());
    assert_eq!(delivery.outcome, Outcome::Accepted { rejected: 2, message });
    assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (1, 0));
    assert!(send(&transport).await.is_accepted());

    let received = received.lock().unwrap();
    let (parts, body) = &received[0];
    assert_eq!(parts.method, "POST");
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    assert_eq!(parts.uri.path(), path);
    assert_eq!(parts.uri.authority().unwrap().as_str(), address.to_string());
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("api-key", "hunter2"),
        ("grpc-accept-encoding", "identity,gzip"),
    ] {
        assert_eq!(parts.headers[name], value, "{name}");
    }
    let agent = concat!("OTel-OTLP-Exporter-Rust-Spanwise/", env!("CARGO_PKG_VERSION"));
    assert!(parts.headers["user-agent"].to_str().unwrap().starts_with(agent));
    let timeout = parts.headers["grpc-timeout"].to_str().unwrap().strip_suffix('m').unwrap();
    assert!((9_000..=10_000).contains(&timeout.parse::<u32>().unwrap()), "{timeout}");
    assert!(!parts.headers.contains_key("grpc-encoding"));
    assert_eq!(body[..PREFIX], (request(3).len() as u64).to_be_bytes()[3..]);
    assert_eq!(body[PREFIX..], request(3));
    assert_eq!(delivery.body_bytes, body.len() - PREFIX);
}

#[tokio::test]
async fn metrics_go_to_their_service() {
    let (address, received) = serve([ok(&partial_success(2, "late"))]).await;
    let transport = to(address).with_signal(Signal::Metrics).build().unwrap();
    let message = Some("late".to_owned());
    assert_eq!(send(&transport).await.outcome, Outcome::Accepted { rejected: 2, message });
    let path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    assert_eq!(received.lock().unwrap()[0].0.uri.path(), path);
}

#[tokio::test]
async fn requests_and_responses_are_compressed() {
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&partial_success(7, "packed")).unwrap();
    let mut answer = ok(b"");
    answer.body = frame(1, &packed.finish().unwrap());
    let (address, received) = serve([answer]).await;
    let transport = to(address).with_compression(Compression::Gzip).build().unwrap();
    let soon = std::time::Instant::now() + Duration::from_secs(30);
    let delivery = transport.send_until(request(500), soon).await;
    let message = Some("packed".to_owned());
    assert_eq!(delivery.outcome, Outcome::Accepted { rejected: 7, message });
    let received = received.lock().unwrap();
    let (parts, body) = &received[0];
    assert_eq!(parts.headers["grpc-encoding"], "gzip");
    assert_eq!(body[0], 1);
    assert_eq!(body[1..PREFIX], (body.len() as u32 - 5).to_be_bytes());
    let mut plain = Vec::new();
    GzDecoder::new(&body[PREFIX..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, request(500)[..]);
}

/// gRPC, "Compression": a server that does not support the encoding answers `UNIMPLEMENTED`.
#[tokio::test]
async fn an_unimplemented_encoding_is_followed_by_the_same_request_uncompressed() {
    let refused = [
        ("grpc-status", "12"),
        ("grpc-message", "grpc: Decompressor is not installed for grpc-encoding \"gzip\""),
        ("grpc-accept-encoding", "identity"),
    ];
    let (address, received) = serve([trailers_only(&refused), ok(b"")]).await;
    let transport = to(address).with_compression(Compression::Gzip).build().unwrap();
    let soon = std::time::Instant::now() + Duration::from_secs(30);
    for attempts in [2, 1] {
        let delivery = transport.send_until(request(500), soon).await;
        assert!(delivery.is_accepted(), "{delivery:?}");
        assert_eq!(delivery.attempts, attempts);
    }
    let received = received.lock().unwrap();
    let encodings = received.iter().map(|(parts, _)| parts.headers.get("grpc-encoding").is_some());
    assert_eq!(encodings.collect::<Vec<_>>(), [true, false, false]);
    for (_, body) in &received[1..] {
        assert_eq!(body[..PREFIX], [&[0], &(request(500).len() as u32).to_be_bytes()[..]].concat());
        assert_eq!(body[PREFIX..], request(500));
    }
}

#[tokio::test]
async fn a_busy_server_receives_the_same_bytes_again() {
    // RetryInfo of 0 s, which makes RESOURCE_EXHAUSTED worth a retry.
    const RETRY_AT_ONCE: &str = "CAgaLAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIA";
    let mut trailing = ok(b"");
    trailing.trailers = Some(map(&[("grpc-status", "4")]));
    let answers = [
        trailers_only(&[("grpc-status", "14"), ("grpc-message", "busy")]),
        trailers_only(&[("grpc-status", "8"), ("grpc-status-details-bin", RETRY_AT_ONCE)]),
        trailing,
        Answer { status: 503, ..Answer::default() },
        ok(b""),
    ];
    let (address, received) = serve(answers).await;
    let delivery = send(&to(address).build().unwrap()).await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    // DEADLINE_EXCEEDED leaves the acceptance unknown.
    assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (5, 1));
    assert!(received.lock().unwrap().iter().all(|(_, body)| body[PREFIX..] == request(3)));
}

#[tokio::test]
async fn permanent_failures_are_not_retried() {
    let rejected = |code| Failure::Rejected { status: ResponseStatus::Grpc(code) };
    let mut huge = ok(b"");
    huge.flood = true;
    let mut bare = ok(b"");
    bare.trailers = None;
    let mut text = ok(b"");
    text.body = [Bytes::from_static(b"<html>")].into();
    let mut bomb = GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 1_000_000]).unwrap();
    let mut bombed = ok(b"");
    bombed.body = frame(1, &bomb.finish().unwrap());
    let cases = [
        (trailers_only(&[("grpc-status", "3"), ("grpc-message", "no%0Away")]), rejected(3)),
        (trailers_only(&[("grpc-status", "8")]), rejected(8)),
        (trailers_only(&[("grpc-status", "16")]), rejected(16)),
        (Answer { status: 302, ..Answer::default() }, Failure::Redirect { status: 302 }),
        (Answer { status: 413, ..Answer::default() }, Failure::TooLarge),
        (bare, Failure::AmbiguousResponse),
        (text, Failure::AmbiguousResponse),
        (trailers_only(&[("grpc-status", "0")]), Failure::AmbiguousResponse),
        (huge, Failure::ResponseTooLarge),
        (bombed, Failure::ResponseTooLarge),
    ];
    for (answer, failure) in cases {
        let (address, _) = serve([answer.clone()]).await;
        let delivery = send(&to(address).build().unwrap()).await;
        assert_eq!(delivery.outcome, Outcome::Failed(failure), "{answer:?}: {delivery:?}");
        assert_eq!(delivery.attempts, 1);
        if failure == rejected(3) {
            assert_eq!(delivery.detail, "no way");
        }
    }
}

#[tokio::test]
async fn an_answer_without_an_end_ends_with_the_attempt() {
    let mut endless = ok(b"");
    endless.trailers = None;
    endless.endless = true;
    let (address, _) = serve([endless]).await;
    let delivery = send(&hasty(to(address)).build().unwrap()).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::AmbiguousTimeout), "{delivery:?}");
    assert_eq!(delivery.attempts, delivery.ambiguous_attempts);
}

#[tokio::test]
async fn a_closed_port_is_an_unambiguous_failure() {
    let port = spanwise_testkit::ClosedPort::new().unwrap();
    let transport = hasty(to(port.address().unwrap())).build().unwrap();
    let delivery = send(&transport).await;
    let failure = Failure::RetryDeadline { last: None };
    assert_eq!(delivery.outcome, Outcome::Failed(failure), "{delivery:?}");
    assert!(delivery.attempts > 1 && delivery.ambiguous_attempts == 0, "{delivery:?}");
}

#[tokio::test]
async fn an_http_1_peer_does_not_accept_a_grpc_request() {
    let peer = peer::Peer::new([peer::ok()]).await;
    let delivery = send(&hasty(to(peer.address)).build().unwrap()).await;
    assert!(!delivery.is_accepted(), "{delivery:?}");
}

#[test]
fn a_transport_outlives_the_runtime_it_was_first_used_on() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serving = runtime();
    let (address, _) = serving.block_on(serve([ok(b"")]));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || serving.block_on(async { drop(stopped.await) }));
    let transport = to(address).build().unwrap();
    for _ in 0..3 {
        let delivery = runtime().block_on(send(&transport));
        assert!(delivery.is_accepted(), "{delivery:?}");
        assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (1, 0));
    }
    drop(stop);
    server.join().unwrap();
}

/// gRPC, "PROTOCOL-HTTP2", Custom-Metadata: the value of a name that ends in `-bin` is any bytes, in
/// base64 and preferably without padding; others are visible ASCII and spaces.
#[tokio::test]
async fn metadata_follows_the_rules_of_grpc() {
    use base64::Engine as _;
    let (address, received) = serve([ok(b"")]).await;
    let headers = Headers::parse("x-trace-bin=%00%ffhunter2,x-plain-bin=f,x-text= a b ").unwrap();
    let delivery = send(&to(address).with_headers(headers).build().unwrap()).await;
    assert!(delivery.is_accepted(), "{delivery}");
    let received = received.lock().unwrap();
    let sent = &received[0].0.headers;
    let coded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(b"\x00\xffhunter2");
    assert_eq!(sent["x-trace-bin"], coded);
    assert_eq!(sent["x-plain-bin"], "Zg");
    assert_eq!(sent["x-text"], "a b");
    for (list, name) in [
        ("x-name=hunter2%c3%bc", "x-name"),
        ("x-tab=hunter2%09x", "x-tab"),
        ("x!y=hunter2", "x!y"),
        ("grpc-trace=hunter2", "grpc-trace"),
    ] {
        let error = to(address).with_headers(Headers::parse(list).unwrap()).build().unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(&format!("`{name}` cannot be sent over grpc")), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// gRPC, "Compression": the coding of a compressed message is named by `grpc-encoding`.
#[tokio::test]
async fn an_answer_is_decoded_by_its_grpc_encoding() {
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&partial_success(7, "packed")).unwrap();
    let packed = packed.finish().unwrap();
    for (encoding, known) in [("gzip", true), ("GZIP", true), ("deflate", false)] {
        let mut answer = ok(b"");
        answer.body = frame(1, &packed);
        answer.headers.insert("grpc-encoding", HeaderValue::from_static(encoding));
        let (address, _) = serve([answer]).await;
        let delivery = send(&to(address).build().unwrap()).await;
        match delivery.outcome {
            Outcome::Accepted { rejected, .. } => assert!(known && rejected == 7, "{encoding}"),
            Outcome::Failed(failure) => {
                assert!(!known && failure == Failure::AmbiguousResponse, "{encoding}");
                assert!(delivery.cause.contains("grpc-encoding is deflate"), "{delivery}");
            }
        }
    }
}

/// OTLP 1.10, "OTLP/gRPC Response": the code decides; a proxy's HTTP status likewise.
#[tokio::test]
async fn the_body_of_a_failure_does_not_change_its_outcome() {
    let flood = |answer: Answer| Answer { flood: true, ..answer };
    let endless = |answer: Answer| Answer { endless: true, ..answer };
    let busy = || trailers_only(&[("grpc-status", "14"), ("grpc-message", "busy")]);
    let proxy = || Answer { status: 503, ..Answer::default() };
    for answer in [flood(busy()), endless(busy()), flood(proxy()), endless(proxy())] {
        let (address, _) = serve([answer.clone(), ok(b"")]).await;
        let delivery = send(&to(address).build().unwrap()).await;
        assert!(delivery.is_accepted(), "{answer:?}: {delivery}");
        assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (2, 0), "{delivery}");
    }
    let denied = trailers_only(&[("grpc-status", "16")]);
    for answer in [flood(denied.clone()), endless(denied)] {
        let (address, _) = serve([answer]).await;
        let delivery = send(&to(address).build().unwrap()).await;
        let status = ResponseStatus::Grpc(16);
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::Rejected { status }));
        assert!(!delivery.may_have_been_accepted());
        assert!(delivery.advice.as_ref().unwrap().contains("credentials"), "{delivery}");
    }
}

/// OTLP 1.10, "Partial Success": with no rejected span, the message is a warning.
#[tokio::test]
async fn an_accepted_outcome_has_the_warning_of_the_server() {
    let (address, _) = serve([ok(&partial_success(0, "slow down"))]).await;
    let delivery = send(&to(address).build().unwrap()).await;
    let warned = Outcome::Accepted { rejected: 0, message: Some("slow down".into()) };
    assert_eq!(delivery.outcome, warned);
}

//! OTLP/HTTP over HTTP/2.

use crate::peer;
#[cfg(feature = "tls")]
use crate::secure;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use peer::{Peer, answer, ok, request, send};
use spanwise_receiver::Receiver;
use spanwise_transport::{
    Bytes, Compression, Delivery, Endpoint, Headers, HttpVersion, IdleConnections, Protocol,
    RetryPolicy, Transport, TransportBuilder,
};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

fn to(url: &str) -> TransportBuilder {
    Transport::builder()
        .with_endpoint(Endpoint::parse("TEST", url).unwrap())
        .with_http_version(HttpVersion::Http2)
        .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(10)))
}

/// Sends a request and cancels it after its first failed attempt.
async fn send_once(builder: TransportBuilder) -> Delivery {
    let failed = Arc::new(Notify::new());
    let notify = Arc::clone(&failed);
    let transport = builder.with_attempt_observer(move |_| notify.notify_one()).build().unwrap();
    transport.send_with_cancel(request(3), async move { failed.notified().await }).await
}

const PROTOCOLS: [Protocol; 2] = [Protocol::HttpProtobuf, Protocol::HttpJson];

#[tokio::test]
async fn requests_at_once_share_a_connection() {
    for protocol in PROTOCOLS {
        for compression in [Compression::None, Compression::Gzip] {
            let receiver = Receiver::builder().start().unwrap();
            let builder = to(&format!("{}/v1/traces", receiver.http_endpoint()));
            let builder = builder.with_protocol(protocol).with_compression(compression);
            let transport = builder.build().unwrap();
            let sending = (0..20).map(|_| {
                let transport = transport.clone();
                tokio::spawn(async move { transport.send(request(50)).await })
            });
            for delivery in sending.collect::<Vec<_>>() {
                let delivery = delivery.await.unwrap();
                assert!(delivery.is_accepted() && delivery.attempts == 1, "{delivery:?}");
            }
            let stats = receiver.stats();
            assert_eq!((stats.spans, stats.connections), (1000, 1), "{protocol} {stats:?}");
        }
    }
}

/// Larger than the window of the stream and of the connection.
#[tokio::test]
async fn a_large_request_waits_for_the_window() {
    let receiver = Receiver::builder().start().unwrap();
    let transport = to(&format!("{}/v1/traces", receiver.http_endpoint())).build().unwrap();
    let spans = 100_000;
    let delivery = transport.send(request(spans)).await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    assert_eq!(receiver.stats().spans, spans as u64);
}

/// A server of HTTP/2 with prior knowledge, which closes each connection after `per_connection` requests.
struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
    requests: mpsc::UnboundedReceiver<(http::request::Parts, usize)>,
    /// For each connection that the server has ended.
    ended: mpsc::UnboundedReceiver<()>,
}

impl Server {
    async fn new(status: fn(usize) -> Option<StatusCode>, per_connection: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces?q=1", listener.local_addr().unwrap());
        let connections = Arc::<AtomicUsize>::default();
        let (sender, requests) = mpsc::unbounded_channel();
        let (end, ended) = mpsc::unbounded_channel();
        let (count, total) = (connections.clone(), Arc::<AtomicUsize>::default());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, SeqCst);
                let (sender, total) = (sender.clone(), total.clone());
                let served = Arc::new((AtomicUsize::new(0), Notify::new()));
                let done = served.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let (sender, total, done) = (sender.clone(), total.clone(), done.clone());
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let _ = sender.send((parts, body.len()));
                        let status = status(total.fetch_add(1, SeqCst));
                        if done.0.fetch_add(1, SeqCst) + 1 == per_connection {
                            done.1.notify_one();
                        }
                        let Some(status) = status else { return std::future::pending().await };
                        let mut response = Response::new(Full::new(Bytes::new()));
                        *response.status_mut() = status;
                        Ok::<_, std::convert::Infallible>(response)
                    }
                });
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let serving = server.serve_connection(TokioIo::new(stream), service);
                let end = end.clone();
                tokio::spawn(async move {
                    let mut serving = std::pin::pin!(serving);
                    tokio::select! {
                        _ = serving.as_mut() => return,
                        () = served.1.notified() => serving.as_mut().graceful_shutdown(),
                    }
                    let _ = serving.await;
                    let _ = end.send(());
                });
            }
        });
        Self { url, connections, requests, ended }
    }
}

#[tokio::test]
async fn a_request_has_the_headers_of_http1_and_the_authority_of_its_endpoint() {
    let mut server = Server::new(|_| Some(StatusCode::OK), usize::MAX).await;
    let headers = Headers::parse("api-key=hunter2").unwrap();
    let delivery = send(&to(&server.url).with_headers(headers).build().unwrap()).await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    let (parts, len) = server.requests.recv().await.unwrap();
    assert_eq!((parts.version, len), (http::Version::HTTP_2, request(3).len()));
    assert_eq!(parts.uri.to_string(), server.url);
    assert_eq!(parts.headers["content-type"], "application/x-protobuf");
    assert_eq!(parts.headers["api-key"], "hunter2");
    assert_eq!(parts.headers.get("host"), None);
    // A `Host` of the caller replaces the authority.
    let headers = Headers::parse("host=collector.test").unwrap();
    assert!(send(&to(&server.url).with_headers(headers).build().unwrap()).await.is_accepted());
    let (parts, _) = server.requests.recv().await.unwrap();
    assert_eq!(parts.uri.to_string(), "http://collector.test/v1/traces?q=1");
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_replaced_without_a_failed_attempt() {
    let mut server = Server::new(|_| Some(StatusCode::OK), 2).await;
    let transport = to(&server.url).build().unwrap();
    for connections in 1..=3 {
        for _ in 0..2 {
            let delivery = send(&transport).await;
            assert!(delivery.is_accepted() && delivery.attempts == 1, "{delivery:?}");
        }
        assert_eq!(server.connections.load(SeqCst), connections);
        server.ended.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_status_is_retried_on_the_same_connection() {
    let busy =
        |count| Some(if count == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK });
    let server = Server::new(busy, usize::MAX).await;
    let delivery = send(&to(&server.url).build().unwrap()).await;
    assert!(delivery.is_accepted() && delivery.attempts == 2, "{delivery:?}");
    assert_eq!(server.connections.load(SeqCst), 1);
}

/// The peer may have vanished: the next attempt does not wait for it on the same connection.
#[tokio::test]
async fn a_connection_without_an_answer_in_time_is_not_used_again() {
    let silent = |count| (count > 0).then_some(StatusCode::OK);
    let server = Server::new(silent, usize::MAX).await;
    let builder = to(&server.url).with_attempt_timeout(Duration::from_secs(1));
    let delivery = send(&builder.build().unwrap()).await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    assert_eq!((delivery.attempts, delivery.ambiguous_attempts), (2, 1));
    assert_eq!(server.connections.load(SeqCst), 2);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_timeout() {
    let server = Server::new(|_| Some(StatusCode::OK), usize::MAX).await;
    let idle = IdleConnections::default().with_timeout(Duration::from_millis(50));
    let transport = to(&server.url).with_idle_connections(idle).build().unwrap();
    for connections in 1..=2 {
        assert!(send(&transport).await.is_accepted());
        assert_eq!(server.connections.load(SeqCst), connections);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_port_of_http1_is_explained() {
    let peer = Peer::new([peer::Act::AnswerAndClose(answer(400, "", b"")), ok()]).await;
    let delivery = send_once(to(&peer.url())).await;
    assert_eq!(delivery.cause, "no HTTP/2 answer: the port speaks HTTP/1.1", "{delivery:?}");
    assert!(delivery.advice.is_some_and(|advice| advice.contains("HttpVersion::Http1")));
}

#[cfg(unix)]
#[tokio::test]
async fn requests_go_through_a_unix_socket() {
    let folder = std::env::temp_dir().join(format!("spanwise-http2-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("otel.sock");
    let receiver = Receiver::builder().with_unix_socket(&path).start().unwrap();
    let delivery = send(&to(&format!("unix:{}", path.display())).build().unwrap()).await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    assert_eq!(receiver.stats().spans, 3);
    receiver.shutdown();
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn over_tls_it_is_negotiated_or_no_request_is_sent() {
    use spanwise_testkit::pki::{Authority, Template};
    let authority = Authority::new("ours").unwrap();
    let server = authority.issue(&Template::default()).unwrap();
    let receiver = Receiver::builder();
    let receiver = receiver.with_tls_pem(&*server.certificate, &*server.key).start().unwrap();
    let url = format!("https://localhost:{}/v1/traces", receiver.address().port());
    let transport = to(&url).with_certificate_pem(&*authority.certificate).build().unwrap();
    for _ in 0..2 {
        let delivery = send(&transport).await;
        assert!(delivery.is_accepted() && delivery.attempts == 1, "{delivery:?}");
    }
    let stats = receiver.stats();
    assert_eq!((stats.spans, stats.connections), (6, 1), "{stats:?}");
    // A server of HTTP/1.1 alone.
    let server = secure::SecurePeer::new(&server, None).await;
    let builder = server.to("localhost").with_http_version(HttpVersion::Http2);
    let delivery = send_once(builder.with_certificate_pem(&*authority.certificate)).await;
    assert!(delivery.cause.ends_with("the peer does not speak HTTP/2 over TLS"), "{delivery:?}");
    assert!(delivery.advice.is_some_and(|advice| advice.contains("HttpVersion::Http1")));
    assert!(server.peer.received().is_empty());
}

#[test]
fn a_blocking_transport_is_http1_alone() {
    let error = to("http://localhost:4318").build_blocking().unwrap_err().to_string();
    assert_eq!(error, "with_http_version is Http2; accepted is Http1 without a runtime");
}

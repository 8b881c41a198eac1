//! Probes of receivers, of other servers and of nothing.

#![cfg(feature = "tokio")]

use crate::peer;

use std::time::{Duration, Instant};

use peer::{Act, Peer, answer};
use spanwise_receiver::Receiver;
use spanwise_testkit::ClosedPort;
use spanwise_transport::{Endpoint, Outcome, Probe, Protocol, Transport};

async fn probe(url: &str) -> Probe {
    let endpoint = Endpoint::parse("TEST", url).unwrap();
    Transport::builder().with_endpoint(endpoint).probe().await
}

#[tokio::test]
async fn the_protocol_of_a_receiver_is_chosen() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    for (url, chosen) in [
        (receiver.http_endpoint(), Protocol::HttpProtobuf),
        (format!("{}/v1/traces", receiver.http_endpoint()), Protocol::HttpProtobuf),
    ] {
        let probe = probe(&url).await;
        assert_eq!(probe.protocol(), Some(chosen), "{probe}");
        // The receiver speaks both on one port.
        let both = probe.results().iter().all(|result| result.is_accepted);
        assert_eq!(both, cfg!(feature = "grpc"), "{probe}");
        assert!(probe.to_string().contains(&format!("{chosen} (chosen)")), "{probe}");
        let transport = probe.into_builder().build().unwrap();
        assert_eq!(transport.protocol(), chosen);
        assert!(transport.send(peer::request(2)).await.is_accepted());
    }
    assert_eq!(collected.spans(), 4);
}

/// A server of HTTP/2 alone that accepts every call.
#[cfg(feature = "grpc")]
async fn grpc_server() -> String {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Response};
    use http_body_util::{BodyExt as _, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(|_| async {
                let status = ("grpc-status", HeaderValue::from_static("0"));
                let trailers: HeaderMap =
                    [status].into_iter().map(|(name, it)| (name.parse().unwrap(), it)).collect();
                let body = Full::new(Bytes::from_static(&[0; 5]))
                    .with_trailers(async { Some(Ok(trailers)) });
                let response = Response::builder().header("content-type", "application/grpc");
                Ok::<_, std::convert::Infallible>(response.body(body).unwrap())
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    format!("http://{address}")
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn grpc_is_chosen_at_a_port_that_speaks_http_2_alone() {
    let probe = probe(&grpc_server().await).await;
    assert_eq!(probe.protocol(), Some(Protocol::Grpc), "{probe}");
    assert!(probe.results()[0].reason.contains("HTTP/2"), "{probe}");
    assert!(probe.into_builder().build().unwrap().send(peer::request(1)).await.is_accepted());
}

#[tokio::test]
async fn nothing_is_chosen_where_nothing_listens() {
    let closed = ClosedPort::new().unwrap();
    let start = Instant::now();
    let probe = probe(&closed.endpoint().unwrap()).await;
    assert_eq!(probe.protocol(), None);
    assert_eq!(probe.results().len(), 2);
    let http = &probe.results()[0];
    assert!(http.reason.starts_with("connection refused"), "{}", http.reason);
    assert_eq!(http.endpoint.path(), "/v1/traces");
    assert!(start.elapsed() < Duration::from_secs(3), "one attempt each");
    // The builder is as it was.
    let transport = probe.into_builder().build().unwrap();
    assert_eq!((transport.protocol(), transport.endpoint().path()), (Protocol::default(), "/"));
}

#[tokio::test]
async fn a_server_that_is_no_receiver_is_not_chosen() {
    let html = answer(200, "content-type: text/html\r\n", b"<p>hello");
    for (act, reason) in [
        (Act::Answer(answer(404, "", b"")), "HTTP 404 Not Found"),
        (Act::Answer(html), "the answer is not OTLP"),
        (Act::Hold, "no answer within"),
    ] {
        let peer = Peer::new([act]).await;
        let endpoint = Endpoint::parse("TEST", &peer.url()).unwrap();
        let builder = Transport::builder().with_endpoint(endpoint);
        let probe = builder.with_attempt_timeout(Duration::from_millis(300)).probe().await;
        assert_eq!(probe.protocol(), None, "{probe}");
        assert!(probe.results()[0].reason.contains(reason), "{probe}");
    }
}

#[tokio::test]
async fn the_next_of_several_endpoints_is_asked_if_one_accepts_nothing() {
    let closed = ClosedPort::new().unwrap();
    let (receiver, collected) = Receiver::collecting().unwrap();
    let urls = [closed.endpoint().unwrap(), receiver.http_endpoint(), closed.endpoint().unwrap()];
    let endpoints = urls.each_ref().map(|url| Endpoint::parse("TEST", url).unwrap());
    let probe = Transport::builder().with_endpoints(endpoints).probe().await;
    assert_eq!(probe.protocol(), Some(Protocol::HttpProtobuf), "{probe}");
    let asked: Vec<_> = probe.results().iter().map(|it| it.endpoint.authority()).collect();
    assert_eq!(asked.len(), 4, "{probe}");
    assert_eq!((asked[0], asked[2]), (&urls[0][7..], &urls[1][7..]));
    assert_eq!(probe.to_string().matches("(chosen)").count(), 1, "{probe}");
    // All endpoints remain, each with the path.
    let transport = probe.into_builder().build().unwrap();
    assert_eq!(transport.endpoint().to_string(), format!("{}/v1/traces", urls[0]));
    assert!(transport.send(peer::request(2)).await.is_accepted());
    assert_eq!(collected.spans(), 2);
}

#[tokio::test]
async fn the_protocol_of_the_builder_comes_first() {
    let (receiver, _) = Receiver::collecting().unwrap();
    let mut cases = vec![(Protocol::HttpJson, Protocol::HttpJson)];
    cases.push((
        Protocol::Grpc,
        if cfg!(feature = "grpc") { Protocol::Grpc } else { Protocol::HttpProtobuf },
    ));
    for (set, chosen) in cases {
        let endpoint = Endpoint::parse("TEST", &receiver.http_endpoint()).unwrap();
        let builder = Transport::builder().with_endpoint(endpoint).with_protocol(set);
        let probe = builder.probe().await;
        assert_eq!((probe.results()[0].protocol, probe.protocol()), (set, Some(chosen)), "{probe}");
        let transport = probe.into_builder().build().unwrap();
        assert_eq!(transport.protocol(), chosen);
        assert!(transport.send(peer::request(1)).await.is_accepted());
    }
}

#[tokio::test]
async fn no_endpoint_is_asked_behind_a_sink() {
    let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    let probe = Transport::builder().with_sink(sink).probe().await;
    assert_eq!((probe.protocol(), probe.results().len()), (None, 0));
    assert!(probe.to_string().ends_with(": no endpoint was asked"), "{probe}");
    let transport = probe.into_builder().build().unwrap();
    assert!(transport.send(peer::request(1)).await.is_accepted());
}

//! Common misconfigurations: the first attempt reports each with its cause and advice.

#![cfg(feature = "tokio")]

use crate::peer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use peer::{Act, Peer, answer, ok, send};
#[cfg(feature = "grpc")]
use spanwise_transport::Protocol;
use spanwise_transport::{
    Delivery, Endpoint, FailedAttempt, Headers, RetryPolicy, Transport, TransportBuilder,
};

/// Runs one attempt or two, and returns the failed attempts that the observer received.
async fn tried(builder: TransportBuilder) -> (Delivery, Vec<FailedAttempt>) {
    let reported = Arc::<Mutex<Vec<FailedAttempt>>>::default();
    let keep = reported.clone();
    let transport = builder
        .with_attempt_observer(move |failed| keep.lock().unwrap().push(failed.clone()))
        .with_attempt_timeout(Duration::from_secs(20))
        .with_request_timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    let first = async {
        // Only the first attempt matters; retries would go on.
        while reported.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let delivery = transport.send_with_cancel(peer::request(3), first).await;
    let reported = reported.lock().unwrap().clone();
    (delivery, reported)
}

fn to(url: &str) -> TransportBuilder {
    Transport::builder().with_endpoint(Endpoint::parse("TEST", url).unwrap())
}

/// Checks the cause of the first attempt, and that its advice contains each of `advice`.
async fn check(builder: TransportBuilder, cause: &str, advice: &[&str]) {
    let (delivery, reported) = tried(builder).await;
    assert!(!delivery.is_accepted(), "{delivery:?}");
    let first = &reported[0];
    assert_eq!(first.attempt, 1);
    assert_eq!(first.cause, cause, "{first}");
    let given = first.advice.clone().unwrap_or_default();
    for part in advice {
        assert!(given.contains(part), "{part}: {given}");
    }
    // The delivery has the same cause, and no text is a library's own.
    assert_eq!((&*delivery.cause, &delivery.advice), (cause, &first.advice), "{delivery:?}");
    for text in [format!("{first}"), format!("{first:?}"), format!("{delivery:?}")] {
        assert!(text.contains(cause) && !text.contains("hunter2"), "{text}");
        for raw in ["parsed", "hyper", "os error", "transport error", "client error", "(("] {
            assert!(!text.contains(raw), "{raw}: {text}");
        }
    }
}

/// OTLP 1.10, "OTLP/HTTP Default Port" and "OTLP/gRPC": 4318 and 4317.
#[tokio::test]
async fn a_closed_port_has_advice() {
    let port = spanwise_testkit::ClosedPort::new().unwrap();
    let at = port.endpoint().unwrap();
    let advice = ["is a collector listening at 127.0.0.1:", "4318", "4317"];
    check(to(&at), "connection refused", &advice).await;
    #[cfg(feature = "grpc")]
    check(to(&at).with_protocol(Protocol::Grpc), "connection refused", &advice).await;
}

/// RFC 1035, 2.3.4: a label has 63 octets at most, so that no server needs to be asked.
#[tokio::test]
async fn an_unknown_host_has_advice() {
    let (delivery, reported) = tried(to(&format!("http://{}/", "n".repeat(64)))).await;
    assert!(!delivery.may_have_been_accepted());
    assert!(reported[0].cause.starts_with("the host name cannot be resolved: "), "{reported:?}");
    assert!(reported[0].advice.as_ref().unwrap().contains("host name"), "{reported:?}");
}

/// RFC 9113, 3.4: the first that a server of HTTP/2 sends is a SETTINGS frame.
#[tokio::test]
async fn http_to_the_grpc_port_has_advice() {
    let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec();
    let peer = Peer::new([Act::AnswerAndClose(settings)]).await;
    let cause = "no HTTP/1.1 answer: the port speaks HTTP/2";
    let advice =
        ["OTLP/gRPC port, usually 4317", "with_protocol", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"];
    check(to(&peer.url()), cause, &advice).await;
    // A server that closes the connection at once.
    let goaway = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01".to_vec();
    let peer = Peer::new([Act::AnswerAndClose(goaway)]).await;
    check(to(&peer.url()), cause, &advice).await;
    #[cfg(not(feature = "grpc"))]
    check(to(&peer.url()).with_crate_name("shop"), cause, &["the feature `grpc` of shop"]).await;
}

/// RFC 9113, 3.4: a server of HTTP/1.1 answers the preface of HTTP/2 with an error, or not at all.
#[cfg(feature = "grpc")]
#[tokio::test]
async fn grpc_to_the_http_port_has_advice() {
    let advice = ["OTLP/HTTP port, usually 4318", "http/protobuf", "4317"];
    for status in [400, 404, 505] {
        let peer = Peer::new([Act::AnswerAndClose(answer(status, "", b"pardon?"))]).await;
        let builder = to(&peer.url()).with_protocol(Protocol::Grpc);
        check(builder, "no HTTP/2 answer: the port speaks HTTP/1.1", &advice).await;
    }
    let peer = Peer::new([Act::Close(30)]).await;
    let (_, reported) = tried(to(&peer.url()).with_protocol(Protocol::Grpc)).await;
    let closed = ["closed", "reset"].iter().any(|how| reported[0].cause.contains(how));
    assert!(closed && reported[0].cause.contains("before an answer came"), "{reported:?}");
    assert!(reported[0].advice.as_ref().unwrap().contains("4318"), "{reported:?}");
}

/// RFC 8446, 5.1: bytes that are not a TLS record end the handshake.
#[cfg(feature = "tls")]
#[tokio::test]
async fn https_to_a_plain_port_has_advice() {
    let advice = ["use http:// instead of https://"];
    for (bytes, cause) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "the port speaks HTTP/1.1 without TLS"),
        (b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64", "the port speaks HTTP/2 without TLS"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the peer does not speak TLS"),
    ] {
        let peer = Peer::with([Act::Hold], move |mut stream: tokio::net::TcpStream| async move {
            use tokio::io::AsyncWriteExt as _;
            stream.write_all(bytes).await.unwrap();
            Some(stream)
        });
        let peer = peer.await;
        let url = format!("https://{}/", peer.address);
        let cause = format!("the TLS handshake failed: {cause}");
        check(to(&url), &cause, &advice).await;
        #[cfg(feature = "grpc")]
        check(to(&url).with_protocol(Protocol::Grpc), &cause, &advice).await;
    }
}

/// RFC 8446, 6.2: a server of TLS closes with an alert. Others answer with the messages below.
#[tokio::test]
async fn plain_text_to_a_tls_port_has_advice() {
    let advice = ["use https:// instead of http://"];
    for alert in [&b"\x15\x03\x01\0\x02\x02\x46"[..], b"\x15\x03\x03\0\x02\x02\x32"] {
        let peer = Peer::new([Act::AnswerAndClose(alert.to_vec())]).await;
        check(to(&peer.url()), "no HTTP/1.1 answer: the port speaks TLS", &advice).await;
        #[cfg(feature = "grpc")]
        {
            let peer =
                Peer::with([Act::Hold], move |mut stream: tokio::net::TcpStream| async move {
                    use tokio::io::AsyncWriteExt as _;
                    stream.write_all(alert).await.unwrap();
                    Some(stream)
                });
            let builder = to(&peer.await.url()).with_protocol(Protocol::Grpc);
            check(builder, "no HTTP/2 answer: the port speaks TLS", &advice).await;
        }
    }
    for message in [
        "Client sent an HTTP request to an HTTPS server.",
        "The plain HTTP request was sent to HTTPS port",
        "You're speaking plain HTTP to an SSL-enabled server port.",
    ] {
        let peer = Peer::new([Act::Answer(answer(400, "", message.as_bytes()))]).await;
        check(to(&peer.url()), &format!("HTTP 400 Bad Request: {message}"), &advice).await;
    }
    // No answer: closed or reset, depending on the system.
    let peer = Peer::new([Act::Close(10)]).await;
    let (_, reported) = tried(to(&peer.url())).await;
    assert!(reported[0].cause.ends_with("before an answer came"), "{reported:?}");
    assert!(
        reported[0].advice.as_ref().unwrap().contains("a TLS port needs https://"),
        "{reported:?}"
    );
}

/// RFC 9110, 15.5: what these statuses mean; OTLP 1.10, "OTLP/HTTP Request": the path.
#[tokio::test]
async fn error_statuses_have_advice() {
    let cases = [
        (404, "HTTP 404 Not Found: no such page", &["/wrong", "/v1/traces"][..]),
        (405, "HTTP 405 Method Not Allowed: no such page", &["/v1/traces"]),
        (401, "HTTP 401 Unauthorized: no such page", &["OTEL_EXPORTER_OTLP_HEADERS"]),
        (403, "HTTP 403 Forbidden: no such page", &["OTEL_EXPORTER_OTLP_HEADERS"]),
        (301, "HTTP 301 Moved Permanently", &["redirects to"]),
        (503, "HTTP 503 Service Unavailable: no such page", &[]),
    ];
    for (status, cause, advice) in cases {
        let peer = Peer::new([Act::Answer(answer(status, "", b"no such page"))]).await;
        let url = format!("http://{}/wrong?key=hunter2", peer.address);
        let headers = Headers::parse("api-key=hunter2").unwrap();
        check(to(&url).with_headers(headers), cause, advice).await;
    }
}

#[tokio::test]
async fn a_missing_answer_is_reported_with_its_timeout() {
    let peer = Peer::new([Act::Hold]).await;
    let reported = Arc::<Mutex<Vec<FailedAttempt>>>::default();
    let keep = reported.clone();
    let transport = to(&peer.url())
        .with_attempt_observer(move |failed| keep.lock().unwrap().push(failed.clone()))
        // The deadline cuts the second attempt off, far from its start and its own timeout.
        .with_attempt_timeout(Duration::from_millis(600))
        .with_request_timeout(Duration::from_millis(1000))
        .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(5)))
        .build()
        .unwrap();
    let delivery = send(&transport).await;
    let reported = reported.lock().unwrap();
    assert_eq!(reported.len(), delivery.attempts as usize);
    // The time that the connection took is no time without an answer.
    let within = reported[0].cause.strip_prefix("no answer within ").unwrap();
    let millis: u32 = within.strip_suffix("ms").unwrap().parse().unwrap();
    assert!((400..=600).contains(&millis), "{within}");
    assert!(reported[0].retry_in.is_some() && reported[0].may_have_been_accepted, "{reported:?}");
    let last = reported.last().unwrap();
    assert_eq!((last.attempt, last.retry_in), (delivery.attempts, None));
    assert!(reported.iter().zip(1..).all(|(failed, nth)| failed.attempt == nth));
}

/// tonic has a timer of its own for the `grpc-timeout` that is sent.
#[cfg(feature = "grpc")]
#[tokio::test]
async fn a_missing_answer_over_grpc_is_reported_with_its_timeout() {
    let peer = Peer::new([Act::Hold]).await;
    for millis in [50, 120, 333] {
        let delivery = send(
            &to(&peer.url())
                .with_protocol(Protocol::Grpc)
                .with_attempt_timeout(Duration::from_millis(millis))
                .with_request_timeout(Duration::from_millis(millis))
                .build()
                .unwrap(),
        )
        .await;
        assert!(delivery.cause.starts_with("no answer within"), "{millis}: {delivery}");
    }
}

#[tokio::test]
async fn a_panic_in_the_observer_does_not_fail_the_request() {
    let peer = Peer::new([Act::Answer(answer(503, "", b"")), ok()]).await;
    let transport = to(&peer.url()).with_attempt_observer(|_| panic!("observer")).build().unwrap();
    let delivery = send(&transport).await;
    assert!(delivery.is_accepted() && delivery.cause.is_empty(), "{delivery:?}");
}

/// The same with the HTTP/2 server of hyper and the TLS server of rustls.
#[tokio::test]
async fn common_servers_are_detected_by_their_first_bytes() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(|_| async {
                Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    let advice = ["OTLP/gRPC port"];
    check(to(&url), "no HTTP/1.1 answer: the port speaks HTTP/2", &advice).await;
    #[cfg(feature = "tls")]
    {
        let https = url.replace("http://", "https://");
        let cause = "the TLS handshake failed: the port speaks HTTP/2 without TLS";
        check(to(&https), cause, &["use http://"]).await;
    }
    let secure = secure_peer().await;
    let cause = "no HTTP/1.1 answer: the port speaks TLS";
    check(to(&secure.url()), cause, &["use https://"]).await;
    #[cfg(feature = "grpc")]
    {
        let cause = "no HTTP/2 answer: the port speaks TLS";
        let builder = to(&secure.url()).with_protocol(Protocol::Grpc);
        check(builder, cause, &["use https://"]).await;
    }
    #[cfg(feature = "tls")]
    {
        let https = secure.url().replace("http://", "https://");
        let cause = "the TLS handshake failed: the certificate's issuer is not trusted";
        check(to(&https), cause, &["with_certificate_pem"]).await;
        let ca = include_bytes!("../data/ca.pem");
        let cause = "the TLS handshake failed: the certificate is for another host name";
        check(to(&https).with_certificate_pem(*ca), cause, &["instead of 127.0.0.1:"]).await;
        #[cfg(feature = "grpc")]
        {
            // This server has HTTP/1.1 alone.
            let local = https.replace("127.0.0.1", "localhost");
            let cause = "the TLS handshake failed: the peer does not speak HTTP/2 over TLS";
            let builder = to(&local).with_certificate_pem(*ca).with_protocol(Protocol::Grpc);
            check(builder, cause, &["OTLP/HTTP port"]).await;
        }
    }
}

async fn secure_peer() -> Peer {
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{ServerConfig, crypto};
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../data/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/server.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    Peer::with([ok()], move |stream: tokio::net::TcpStream| {
        let accepting = acceptor.accept(stream);
        async move { accepting.await.ok() }
    })
    .await
}

/// OTLP exporter configuration, "Endpoint URLs for OTLP/HTTP": the signal's path is appended to the variable of all
/// signals, and the variable of traces is used as it is.
#[tokio::test]
async fn a_path_that_was_appended_twice_has_advice() {
    let peer = Peer::new([Act::Answer(answer(404, "", b""))]).await;
    let url = format!("http://{}/otlp/v1/traces", peer.address);
    let endpoint = Endpoint::parse_base("OTEL_EXPORTER_OTLP_ENDPOINT", &url).unwrap();
    let advice = [
        "/otlp/v1/traces/v1/traces",
        "appended to OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which is used as it is",
    ];
    check(Transport::builder().with_endpoint(endpoint), "HTTP 404 Not Found", &advice).await;
}

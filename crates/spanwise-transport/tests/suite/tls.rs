//! `https` endpoints against peers on loopback.

#![cfg(feature = "tokio")]

use crate::peer;

use std::sync::Arc;
use std::time::Duration;

use peer::{Act, Peer, answer, ok, send};
use spanwise_transport::{
    Endpoint, Failure, Headers, Outcome, RetryPolicy, Transport, TransportBuilder,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

const CA: &[u8] = include_bytes!("../data/ca.pem");

async fn secure_peer() -> Peer {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../data/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/server.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Peer::with([ok()], move |stream: TcpStream| {
        let accepting = acceptor.accept(stream);
        async move { accepting.await.ok() }
    })
    .await
}

fn to(peer: &Peer, host: &str) -> TransportBuilder {
    let url = format!("https://{host}:{}/v1/traces", peer.address.port());
    Transport::builder()
        .with_endpoint(Endpoint::parse("TEST", &url).unwrap())
        .with_headers(Headers::parse("api-key=hunter2").unwrap())
        .with_request_timeout(Duration::from_secs(1))
        .with_retry(RetryPolicy::default().with_cap(Duration::from_millis(300)))
}

#[tokio::test]
async fn a_trusted_server_receives_requests() {
    let peer = secure_peer().await;
    let transport = to(&peer, "localhost").with_certificate_pem(CA);
    let transport = transport.with_request_timeout(Duration::from_secs(20)).build().unwrap();
    for _ in 0..2 {
        let delivery = send(&transport).await;
        assert!(delivery.is_accepted(), "{delivery:?}");
        assert_eq!(delivery.attempts, 1);
    }
    assert_eq!((peer.received().len(), peer.connections()), (2, 1));
}

#[tokio::test]
async fn an_untrusted_server_receives_no_request() {
    let peer = secure_peer().await;
    let unknown = to(&peer, "localhost");
    let misnamed = to(&peer, "127.0.0.1").with_certificate_pem(CA);
    for builder in [unknown, misnamed] {
        let delivery = send(&builder.build().unwrap()).await;
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::Tls), "{delivery:?}");
        assert_eq!(delivery.ambiguous_attempts, 0);
        assert!(delivery.detail.contains("certificate"), "{delivery:?}");
    }
    assert!(peer.raw().is_empty());
}

#[tokio::test]
async fn an_https_endpoint_never_receives_plain_text() {
    let peer = Peer::new([Act::AnswerAndClose(answer(200, "", b""))]).await;
    // This peer would wait for the end of a request, and a client's hello has none.
    let peer_in_plain = Peer::new([Act::Close(200)]).await;
    for peer in [peer, peer_in_plain] {
        let delivery = send(&to(&peer, "localhost").build().unwrap()).await;
        assert!(!delivery.is_accepted() && delivery.ambiguous_attempts == 0, "{delivery:?}");
        let raw = peer.raw();
        // A TLS handshake record, and nothing of ours.
        assert_eq!(raw[..2], [0x16, 0x03]);
        for secret in [&b"hunter2"[..], b"api-key", b"/v1/traces", b"span 0"] {
            assert!(!raw.windows(secret.len()).any(|bytes| bytes == secret));
        }
    }
}

#[tokio::test]
async fn a_peer_without_tls_is_a_tls_failure() {
    // Answers the client's hello in plain HTTP, as a server on the wrong port does.
    let peer = Peer::with([ok()], |mut stream: TcpStream| async move {
        use tokio::io::AsyncWriteExt as _;
        let _ = stream.write_all(&answer(400, "", b"")).await;
        Some(stream)
    })
    .await;
    let delivery = send(&to(&peer, "localhost").build().unwrap()).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Tls), "{delivery:?}");
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn an_untrusted_server_receives_no_grpc_request() {
    use spanwise_transport::Protocol;
    let peer = secure_peer().await;
    let transport = to(&peer, "localhost").with_protocol(Protocol::Grpc).build().unwrap();
    let delivery = send(&transport).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Tls), "{delivery:?}");
    // Trusted, but it speaks no HTTP/2: nothing is sent.
    let transport = to(&peer, "localhost").with_protocol(Protocol::Grpc).with_certificate_pem(CA);
    let delivery = send(&transport.build().unwrap()).await;
    assert!(!delivery.is_accepted() && delivery.ambiguous_attempts == 0, "{delivery:?}");
    assert!(peer.raw().is_empty());
}

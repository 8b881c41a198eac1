//! A TLS server whose certificate a test chooses, and changes.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::{Arc, Mutex};

use spanwise_testkit::pki::{Authority, Certificate};
use spanwise_transport::{Delivery, Endpoint, Headers, Transport, TransportBuilder};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use crate::peer::{Act, Peer, answer};

/// A server of `http/1.1` that closes each connection after its answer.
#[derive(Clone)]
pub struct SecurePeer {
    pub peer: Peer,
    config: Arc<Mutex<Arc<ServerConfig>>>,
}

impl SecurePeer {
    /// Presents `own`, and asks for a client certificate of `clients`, if there is one.
    pub async fn new(own: &Certificate, clients: Option<&Authority>) -> Self {
        let config = Arc::new(Mutex::new(server_config(own, clients)));
        let current = Arc::clone(&config);
        let acts = [Act::AnswerAndClose(answer(200, "connection: close\r\n", b""))];
        let peer = Peer::with(acts, move |stream: TcpStream| {
            let acceptor = TlsAcceptor::from(Arc::clone(&current.lock().unwrap()));
            async move { acceptor.accept(stream).await.ok() }
        })
        .await;
        Self { peer, config }
    }

    /// Presents another certificate from now on.
    pub fn present(&self, own: &Certificate, clients: Option<&Authority>) {
        *self.config.lock().unwrap() = server_config(own, clients);
    }

    pub fn to(&self, host: &str) -> TransportBuilder {
        let url = format!("https://{host}:{}/v1/traces", self.peer.address.port());
        Transport::builder()
            .with_endpoint(Endpoint::parse("TEST", &url).unwrap())
            .with_headers(Headers::parse("api-key=hunter2").unwrap())
    }
}

pub fn server_config(own: &Certificate, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let provider = Arc::new(crypto::ring::default_provider());
    let certificates = CertificateDer::pem_slice_iter(own.certificate.as_bytes());
    let certificates: Vec<_> = certificates.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let pem = authority.certificate.as_bytes();
            roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let mut config = builder.with_single_cert(certificates, key).unwrap();
    // A session that is resumed would not show the certificate again.
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// Sends a request and cancels it after its first failed attempt.
pub async fn send_once(builder: TransportBuilder) -> Delivery {
    let failed = Arc::new(Notify::new());
    let notify = Arc::clone(&failed);
    let transport = builder.with_attempt_observer(move |_| notify.notify_one()).build().unwrap();
    let request = crate::peer::request(3);
    transport.send_with_cancel(request, async move { failed.notified().await }).await
}

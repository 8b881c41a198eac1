//! Clients over TLS, and certificates for both sides.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use spanwise_receiver::{Receiver, ReceiverBuilder};
use spanwise_testkit::pki::{Authority, Certificate, Template};

use super::raw::{connect, head};
use super::request;

pub struct Pki {
    pub servers: Authority,
    pub clients: Authority,
    pub server: Certificate,
}

impl Pki {
    pub fn new() -> Self {
        let [servers, clients] = ["servers", "clients"].map(|name| Authority::new(name).unwrap());
        let server = servers.issue(&Template::default()).unwrap();
        Self { servers, clients, server }
    }

    pub fn receiver(&self) -> ReceiverBuilder {
        Receiver::builder().with_tls_pem(&*self.server.certificate, &*self.server.key)
    }

    /// A client that trusts the receiver and presents `own`.
    pub fn client(&self, own: Option<&Certificate>, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        self.client_of(rustls::DEFAULT_VERSIONS, own, alpn)
    }

    /// The same with these versions of TLS.
    pub fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&Certificate>,
        alpn: &[&[u8]],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let pem = self.servers.certificate.as_bytes();
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = CertificateDer::pem_slice_iter(own.certificate.as_bytes());
                let chain = chain.collect::<Result<_, _>>().unwrap();
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

/// A session that serves several exports.
pub struct TlsClient(pub StreamOwned<ClientConnection, TcpStream>);

impl TlsClient {
    pub fn connect(receiver: &Receiver, client: &Arc<ClientConfig>) -> Self {
        let name = "localhost".try_into().unwrap();
        let session = ClientConnection::new(Arc::clone(client), name).unwrap();
        Self(StreamOwned::new(session, connect(receiver)))
    }

    /// Exports one span; the status line of the response.
    pub fn export(&mut self) -> String {
        let body = request(1, "x").1;
        let head = head(&format!("content-length: {}\r\n\r\n", body.len()));
        self.0.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        let mut answer = Vec::new();
        // The response has no body.
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            answer.extend_from_slice(&byte);
        }
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    }
}

/// Exports one span over a new session; the status line, or nothing if the receiver closed it.
pub fn export(receiver: &Receiver, client: Arc<ClientConfig>) -> String {
    let mut stream = TlsClient::connect(receiver, &client).0;
    let body = request(1, "x").1;
    let head = head(&format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()));
    if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
        return String::new();
    }
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

/// The bytes of a ClientHello.
pub fn hello(client: Arc<ClientConfig>) -> Vec<u8> {
    let mut session = ClientConnection::new(client, "localhost".try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    hello
}

/// The first 60 KiB of a handshake message that would be longer, in records of 16 KiB.
pub fn long_hello() -> Vec<u8> {
    let mut message = vec![1, 0, 0xff, 0xfe];
    message.resize(60 << 10, 0);
    let records = message.chunks(16 << 10);
    let record = |part: &[u8]| {
        let [high, low] = (part.len() as u16).to_be_bytes();
        [&[0x16, 3, 1, high, low], part].concat()
    };
    records.flat_map(record).collect()
}

//! TLS of a receiver: rustls with the ring provider.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::error::StartError;
use crate::socket::Socket;

/// The TLS settings of a receiver, in PEM. `Debug` prints none of them.
#[derive(Clone, Default)]
pub(crate) struct TlsSettings {
    /// The certificate chain and its key.
    pub own: Option<(Vec<u8>, Vec<u8>)>,
    /// The authorities of client certificates.
    pub client_ca: Option<Vec<u8>>,
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("own", &self.own.is_some())
            .field("client_ca", &self.client_ca.is_some())
            .finish()
    }
}

/// The TLS sessions of a receiver.
#[derive(Clone)]
pub(crate) struct TlsServer {
    acceptor: TlsAcceptor,
    /// Whether clients present certificates.
    has_clients: bool,
}

impl TlsSettings {
    /// The server of these settings; `None` for plain text.
    ///
    /// # Errors
    /// A certificate or a key cannot be used; the error contains nothing of either.
    pub fn server(&self) -> Result<Option<TlsServer>, StartError> {
        let Some((certificates, key)) = &self.own else {
            return match self.client_ca {
                None => Ok(None),
                Some(_) => {
                    Err(refused(CLIENT_CA, "it needs a certificate of the server: with_tls_pem"))
                }
            };
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|_| refused(OWN, "the provider has no protocol version"))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates_of(CLIENT_CA, pem)? {
                    roots
                        .add(certificate)
                        .map_err(|_| refused(CLIENT_CA, "a certificate cannot be parsed"))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = verifier
                    .build()
                    .map_err(|_| refused(CLIENT_CA, "the certificates cannot be used"))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let certificates = certificates_of(OWN, certificates)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            refused(OWN, "the key holds no private key in PEM that is not encrypted")
        })?;
        let mut config = builder.with_single_cert(certificates, key).map_err(|error| {
            let mismatch = matches!(error, rustls::Error::InconsistentKeys(_));
            let unusable = "the certificate or the key cannot be parsed";
            refused(
                OWN,
                if mismatch { "the key does not belong to the certificate" } else { unusable },
            )
        })?;
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        // A cached session has the certificate chain of its client, which no budget counts.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Some(TlsServer { acceptor, has_clients: self.client_ca.is_some() }))
    }
}

/// The error of certificates for a receiver without TLS.
pub(crate) fn plain_text() -> StartError {
    refused(OWN, "the receiver was started without TLS")
}

impl TlsServer {
    /// Whether `next` asks clients for certificates if this does: a renewal is no change of who may connect.
    pub fn check_renewal(&self, next: &TlsServer) -> Result<(), StartError> {
        match (self.has_clients, next.has_clients) {
            (true, false) => {
                Err(refused(CLIENT_CA, "the receiver requires client certificates: renew it too"))
            }
            (false, true) => {
                Err(refused(CLIENT_CA, "the receiver was started without client certificates"))
            }
            _ => Ok(()),
        }
    }

    /// The most bytes of a session during its handshake.
    pub fn handshake_bytes(&self) -> usize {
        if self.has_clients { SESSION_BYTES + 2 * MAX_CHAIN } else { SESSION_BYTES }
    }

    /// Makes a session over `socket`.
    pub async fn accept(&self, socket: Socket) -> io::Result<TlsStream<Socket>> {
        let limited = |session: &mut rustls::ServerConnection| {
            session.set_buffer_limit(Some(WRITE_BUFFER));
        };
        self.acceptor.accept_with(socket, limited).await
    }
}

/// The most bytes of a session after its handshake.
pub(crate) fn session_bytes(stream: &TlsStream<Socket>) -> usize {
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    SESSION_BYTES + chain.iter().map(|certificate| certificate.len()).sum::<usize>()
}

/// Whether the client of `stream` chose HTTP/2.
pub(crate) fn is_http2(stream: &TlsStream<Socket>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(H2)
}

/// The certificates in `pem`, at least one.
fn certificates_of(
    setting: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, StartError> {
    // The parser's errors quote the text, which may be a key by mistake.
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|_| refused(setting, "its PEM is malformed"))?;
    match certificates.is_empty() {
        true => Err(refused(setting, "it holds no certificate")),
        false => Ok(certificates),
    }
}

fn refused(setting: &'static str, problem: &'static str) -> StartError {
    StartError::Tls { setting, problem }
}

const OWN: &str = "with_tls_pem";
const CLIENT_CA: &str = "with_client_ca_pem";
const H2: &[u8] = b"h2";
/// rustls gathers a handshake message of up to 64 KiB; a record of 16 KiB, and twice [`WRITE_BUFFER`], wait
/// to be read or written; the rest is the state of the session.
const SESSION_BYTES: usize = 128 << 10;
/// The most bytes of a client's certificates. The handshake holds them twice, after the message.
const MAX_CHAIN: usize = 64 << 10;
/// Bytes that wait to be written, in plain text and encrypted: responses are small.
const WRITE_BUFFER: usize = 16 << 10;

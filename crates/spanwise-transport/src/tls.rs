//! TLS of HTTP connections: rustls with the ring provider.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::BuildError;

/// The TLS configuration of a client that trusts `trust`.
pub(crate) fn client_config(trust: Trust<'_>) -> Result<Arc<ClientConfig>, BuildError> {
    // An explicit provider: the process default belongs to the application.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::tls(&error))?;
    let builder = match trust {
        Trust::Pem(pem) => builder.with_root_certificates(roots(pem)?),
        Trust::Mozilla => builder
            .with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() }),
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// The trusted root certificates.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trust<'a> {
    /// The certificates in this PEM.
    Pem(&'a [u8]),
    /// The roots that Mozilla ships.
    Mozilla,
}

/// Parses the certificates in `pem`, at least one.
pub(crate) fn roots(pem: &[u8]) -> Result<RootCertStore, BuildError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() {
        return Err(BuildError::Certificate { problem: "it holds no certificate".into() });
    }
    Ok(roots)
}

/// Converts an error of the PEM parser, which quotes its input.
fn unusable(error: &dyn std::error::Error) -> BuildError {
    BuildError::Certificate { problem: crate::text::sanitize(&error.to_string()) }
}

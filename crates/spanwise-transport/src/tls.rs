//! TLS of HTTP connections: rustls with the ring provider.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::BuildError;

/// Trusts `trust`.
pub(crate) fn client_config(trust: Trust<'_>) -> Result<Arc<ClientConfig>, BuildError> {
    // Named, not the process default: which provider an application installs is its own affair.
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

/// Whose certificates count.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trust<'a> {
    /// Those in this PEM.
    Pem(&'a [u8]),
    /// The roots that Mozilla ships.
    Mozilla,
}

/// The certificates in `pem`, at least one.
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

/// The errors of the PEM reader quote what they read.
fn unusable(error: &dyn std::error::Error) -> BuildError {
    BuildError::Certificate { problem: crate::text::sanitize(&error.to_string()) }
}

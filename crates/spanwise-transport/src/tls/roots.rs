//! The root certificates that a client trusts.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::BuildError;
use crate::tls_settings::{PemSource, Roots};

/// Trusted roots, and the certificates of the setting that they come from.
pub(super) struct Trusted {
    pub(super) store: RootCertStore,
    /// The certificates that the user named; empty for built-in and system roots.
    pub(super) named: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Reads and parses the roots.
    ///
    /// # Errors
    /// A certificate of the setting cannot be used, or the system has none.
    pub(super) fn load(&self) -> Result<Trusted, BuildError> {
        match self {
            Self::BuiltIn => {
                let store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
                Ok(Trusted { store, named: Vec::new() })
            }
            Self::System => system(),
            Self::Pem(source) => named(source),
        }
    }
}

fn named(source: &PemSource) -> Result<Trusted, BuildError> {
    let refused = |problem: String| BuildError::Certificate {
        setting: match source {
            PemSource::Text(_) => "with_certificate_pem",
            PemSource::File(_) => "with_certificate_file",
        },
        value: source.shown(),
        problem,
    };
    let named = source.certificates().map_err(refused)?;
    let mut store = RootCertStore::empty();
    for certificate in &named {
        // An error is better than a store without it, which trusts fewer servers than the user wants.
        store
            .add(certificate.clone())
            .map_err(|error| refused(crate::text::sanitize(&error.to_string())))?;
    }
    Ok(Trusted { store, named })
}

#[cfg(feature = "system-roots")]
fn system() -> Result<Trusted, BuildError> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // The store of a system may hold certificates that rustls does not read; others suffice.
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let problem = found.errors.first().map(ToString::to_string).unwrap_or_default();
        return Err(BuildError::SystemRoots { problem: crate::text::sanitize(&problem) });
    }
    Ok(Trusted { store, named: Vec::new() })
}

#[cfg(not(feature = "system-roots"))]
fn system() -> Result<Trusted, BuildError> {
    // `TransportBuilder::build` refuses the setting before, with the name of the feature.
    Err(BuildError::SystemRoots { problem: String::new() })
}

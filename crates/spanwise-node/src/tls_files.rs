//! Certificates and keys that cannot be used: their keys in a file of settings, and the fix.

use crate::start_error::{ExitKind, StartError};
use spanwise_transport::{BuildError, Endpoint, TransportBuilder};

/// A certificate or a key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// Its key in the block `tls` of requests.
    pub(crate) key: &'static str,
    /// The path, the reason and the fix. No part of a key is in it.
    pub(crate) message: String,
}

impl Unusable {
    /// `None` if the error is about something else.
    pub(crate) fn of(error: &BuildError) -> Option<Self> {
        let ([file, text], setting, value, problem, accepted) = match error {
            BuildError::Certificate { setting, value, problem } => {
                (["ca_file", "ca_pem"], setting, value, problem, "are certificates in PEM")
            }
            BuildError::ClientCertificate { setting, value, problem } => {
                let accepted = "is a certificate in PEM, with its chain";
                (["cert_file", "cert_pem"], setting, value, problem, accepted)
            }
            BuildError::ClientKey { setting, value, problem } => {
                let accepted = "is the private key of the certificate in PEM, not encrypted";
                (["key_file", "key_pem"], setting, value, problem, accepted)
            }
            _ => return None,
        };
        let (key, place) = match setting.ends_with("_pem") {
            true => (text, ""),
            false => (file, ", in a file of at most 1 MiB that the user of the node can read"),
        };
        let message = format!("{value} cannot be used: {problem}; accepted {accepted}{place}");
        Some(Self { key, message })
    }

    /// Reads and parses the certificates and keys that `set` adds, as requests with TLS do.
    pub(crate) fn find(set: impl FnOnce(TransportBuilder) -> TransportBuilder) -> Option<Self> {
        let endpoint = Endpoint::parse_base("tls", "https://localhost").ok()?;
        let builder = TransportBuilder::default().with_endpoint(endpoint);
        set(builder).build().err().and_then(|error| Self::of(&error))
    }
}

/// The error of a transport at `place` of the settings, with the kind of its reason.
pub(crate) fn start_error(place: &str, error: &BuildError) -> StartError {
    match Unusable::of(error) {
        Some(Unusable { key, message }) => {
            StartError::new(ExitKind::Key, format!("{place}: tls.{key}: {message}"))
        }
        None => StartError::new(ExitKind::Settings, format!("{place}: {error}")),
    }
}

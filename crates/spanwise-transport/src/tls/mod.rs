//! TLS of connections: rustls.

mod client;
mod identity;
mod pem;
mod roots;
mod verifier;

use std::fmt;
#[cfg(feature = "tls")]
use std::io;

use rustls::AlertDescription;
#[cfg(feature = "tls")]
use rustls::Error;

pub(crate) use client::TlsClient;

/// The error of a session whose peer does not speak the protocol that this client insists on.
#[derive(Debug)]
pub(crate) struct NotNegotiated;

impl fmt::Display for NotNegotiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the protocol was not negotiated")
    }
}

impl std::error::Error for NotNegotiated {}

/// The alert by which a server rejects our certificate, if `error` is one.
#[cfg(feature = "tls")]
pub(crate) fn rejection(error: &io::Error) -> Option<u8> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::AlertReceived(alert) if is_about_our_certificate(*alert) => Some((*alert).into()),
        _ => None,
    }
}

/// Whether a server sends this alert because of the certificate that its client presents, or does not.
pub(crate) fn is_about_our_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            // RFC 8446, 6.2: a signature of the handshake, not of a record.
            | Alert::DecryptError
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

//! TLS of connections: rustls with the ring provider.

mod client;
mod identity;
mod pem;
mod roots;
mod verifier;

pub(crate) use client::{NotNegotiated, TlsClient};

use std::io;

use rustls::{AlertDescription, Error};

/// The alert by which a server rejects our certificate, if `error` is one.
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

//! Certificates and keys of blocks `tls`, read as the start of a node reads them.

use super::context::Context;
use crate::settings::ReceiverTls;
use crate::tls_files::Unusable;
use spanwise_config::{Field, Mapping};
use spanwise_transport::TransportBuilder;

/// Makes the transport of a destination or a peer, whose block is `field`, and reports the reason why it cannot be made: a file at its
/// key of `tls`.
pub(super) fn check_requests(
    builder: &TransportBuilder,
    field: &Field<'_>,
    tls: &Mapping<'_>,
    context: &Context<'_>,
) {
    if !context.reads_keys {
        return;
    }
    let Err(error) = builder.clone().build() else { return };
    let Some(unusable) = Unusable::of(&error) else { return field.error(error.to_string()) };
    let is_about_authorities = ["ca_file", "ca_pem"].contains(&unusable.key);
    context.unreadable(&tls.get(unusable.key), unusable.message);
    let (certificate, key) = (tls.get("cert_file"), tls.get("key_file"));
    if is_about_authorities
        && let (Some(certificate), Some(key)) = (certificate.string(), key.string())
    {
        // Authorities are read first.
        let own = Unusable::find(|it| it.with_client_certificate_files(certificate, key));
        own.into_iter().for_each(|own| context.unreadable(&tls.get(own.key), own.message));
    }
}

/// Reads the files of a receiver, and reports those that cannot be used at their keys.
pub(super) fn check_receiver(files: &ReceiverTls, tls: &Mapping<'_>, context: &Context<'_>) {
    if !context.reads_keys {
        return;
    }
    let ReceiverTls { cert_file, key_file, client_ca_file } = files;
    // A server and a client have the same form of certificates.
    let own = Unusable::find(|it| it.with_client_certificate_files(cert_file, key_file));
    own.into_iter().for_each(|own| context.unreadable(&tls.get(own.key), own.message));
    if let Some(path) = client_ca_file
        && let Some(authorities) = Unusable::find(|it| it.with_certificate_file(path))
    {
        context.unreadable(&tls.get("client_ca_file"), authorities.message);
    }
}

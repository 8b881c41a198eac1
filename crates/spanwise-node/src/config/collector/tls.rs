//! The block `tls` of receivers and of exporters.

use crate::config::context::Context;
use crate::config::keys::check_receiver;
use crate::config::otlp::client_files;
use crate::config::values::{not_supported, not_supported_if_true, path, without_effect};
use crate::settings::ReceiverTls;
use spanwise_config::{Field, Mapping};
use spanwise_transport::TransportBuilder;

/// The files of a receiver.
pub(super) fn server(field: &Field<'_>, context: &Context<'_>) -> Option<ReceiverTls> {
    if !field.has_value() {
        return None;
    }
    let mapping = field.mapping(SERVER_KEYS);
    let reason = "a receiver reads files: `cert_file` and `key_file`";
    not_supported(&mapping, &["cert_pem", "key_pem"], reason);
    let reason = "it is about clients";
    without_effect(&mapping, &["ca_file", "insecure", "insecure_skip_verify"], reason);
    let reason = "files are read at the start and at each reload";
    without_effect(&mapping, &["reload_interval", "client_ca_file_reload"], reason);
    versions_and_ciphers(&mapping);
    let client_ca_file = path(&mapping.get("client_ca_file"));
    let (certificate, key) = (mapping.get("cert_file"), mapping.get("key_file"));
    let has_pem = mapping.get("cert_pem").has_value();
    let (certificate, key) =
        if has_pem { (certificate, key) } else { (certificate.required(), key.required()) };
    let (cert_file, key_file) = (path(&certificate)?, path(&key)?);
    let files = ReceiverTls { cert_file, key_file, client_ca_file };
    check_receiver(&files, &mapping, context);
    Some(files)
}

/// The certificates and keys of an exporter.
pub(super) fn client(field: &Field<'_>, mut builder: TransportBuilder) -> TransportBuilder {
    let mapping = field.mapping(CLIENT_KEYS);
    let reason = "certificates are verified; `ca_file` may be the server's own certificate";
    not_supported_if_true(&mapping, "insecure_skip_verify", reason);
    let reason = "the certificate has the name of the endpoint";
    not_supported(&mapping, &["server_name_override"], reason);
    without_effect(&mapping, &["reload_interval"], "files are read again when they change");
    versions_and_ciphers(&mapping);
    builder = client_files(&mapping, builder);
    let pem = mapping.get("ca_pem").secret();
    if pem.has_value() && mapping.get("ca_file").has_value() {
        pem.error("`ca_file` is there too: use one of them");
    } else if let Some(text) = pem.string() {
        builder = builder.with_certificate_pem(text);
    }
    let (certificate, key) = (mapping.get("cert_pem").secret(), mapping.get("key_pem").secret());
    match (certificate.string(), key.string()) {
        (Some(certificate), Some(key)) => builder.with_client_certificate_pem(certificate, key),
        (None, None) => builder,
        _ => {
            field.error("`cert_pem` and `key_pem` are both required, or neither");
            builder
        }
    }
}

/// Keys of both sides of a connection.
fn versions_and_ciphers(mapping: &Mapping<'_>) {
    let least = mapping.get("min_version");
    if least.string().is_some_and(|version| version != "1.2" && !version.is_empty()) {
        least.error("it is not supported: TLS 1.2 and 1.3 are accepted, and 1.3 is used where both sides have it");
    }
    let most = mapping.get("max_version");
    if most.string().is_some_and(|version| version != "1.3" && !version.is_empty()) {
        most.error("it is not supported: TLS 1.3 is used where both sides have it");
    }
    let reason = "TLS has the cipher suites and curves of its implementation";
    not_supported(mapping, &["cipher_suites", "curve_preferences"], reason);
    not_supported(mapping, &["tpm"], "keys are in files");
    let reason = "the authorities are those of the file alone";
    not_supported_if_true(mapping, "include_system_ca_certs_pool", reason);
}

/// The keys of both sides, and those of one.
macro_rules! keys {
    ($($own:literal),+) => {
        &[
            "insecure",
            "insecure_skip_verify",
            "ca_file",
            "cert_file",
            "cert_pem",
            "key_file",
            "key_pem",
            "reload_interval",
            "min_version",
            "max_version",
            "cipher_suites",
            "curve_preferences",
            "include_system_ca_certs_pool",
            "tpm",
            $($own),+
        ]
    };
}

pub(super) const CLIENT_KEYS: &[&str] = keys!["ca_pem", "server_name_override"];
const SERVER_KEYS: &[&str] = keys!["client_ca_file", "client_ca_file_reload"];

//! The block `tls` of receivers.

use crate::config::values::{not_supported, not_supported_if_true, path, without_effect};
use crate::settings::ReceiverTls;
use spanwise_config::{Field, Mapping};

/// The files of a receiver.
pub(super) fn read(field: &Field<'_>) -> Option<ReceiverTls> {
    if !field.has_value() {
        return None;
    }
    let mapping = field.mapping(KEYS);
    not_supported(
        &mapping,
        &["cert_pem", "key_pem"],
        "a receiver reads files: `cert_file` and `key_file`",
    );
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
    Some(ReceiverTls { cert_file: path(&certificate)?, key_file: path(&key)?, client_ca_file })
}

/// Keys of both sides of a connection.
pub(super) fn versions_and_ciphers(mapping: &Mapping<'_>) {
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
    not_supported_if_true(
        mapping,
        "include_system_ca_certs_pool",
        "the authorities are those of the file alone",
    );
}

const KEYS: &[&str] = &[
    "cert_file",
    "key_file",
    "client_ca_file",
    "client_ca_file_reload",
    "cert_pem",
    "key_pem",
    "ca_file",
    "insecure",
    "insecure_skip_verify",
    "reload_interval",
    "min_version",
    "max_version",
    "cipher_suites",
    "curve_preferences",
    "include_system_ca_certs_pool",
    "tpm",
];

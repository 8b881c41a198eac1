//! Certificates of the OTLP exporter: `OTEL_EXPORTER_OTLP_CERTIFICATE`.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::error::BuildError;
use super::super::redaction::{REDACTED, is_pem, shown_path};
use std::io::Read as _;

/// CA certificates to trust, in PEM form.
pub(super) struct Certificate {
    pub(super) setting: &'static str,
    /// The printed value of the setting.
    pub(super) shown: String,
    pub(super) pem: Vec<u8>,
}

impl SpanwiseBuilder {
    /// Reads the CA certificates; `None` for an `http` endpoint, which uses none.
    pub(super) fn resolve_certificate(
        &self,
        environment: &Environment,
        is_https: bool,
    ) -> Result<Option<Certificate>, BuildError> {
        if let Some(pem) = self.certificate_pem.clone() {
            let shown = format!("[{} bytes]", pem.len());
            return Ok(Some(Certificate { setting: "with_certificate_pem", shown, pem }));
        }
        if !is_https {
            environment.report_unused(&CERTIFICATE, "the endpoint is http, not https");
            return Ok(None);
        }
        let Some((setting, path)) = environment.required_text(&CERTIFICATE)? else {
            return Ok(None);
        };
        let shown = shown_path(&path);
        match read_certificate(&path) {
            Ok(pem) => Ok(Some(Certificate { setting, shown, pem })),
            Err(error) => {
                let problem = match is_pem(&path) {
                    true => "it is a certificate or a key itself".to_owned(),
                    false => error.to_string(),
                };
                let accepted = "accepted is the path of a readable PEM file, up to 1 MiB";
                Err(BuildError::setting(setting, shown, format!("{problem}; {accepted}")))
            }
        }
    }
}

/// # Errors
/// A variable of a client certificate is set. The exporter cannot use it, and the receiver would reject the
/// unauthenticated sender.
pub(super) fn refuse_client_certificates(environment: &Environment) -> Result<(), BuildError> {
    match CLIENT_CERTIFICATES.into_iter().find(|name| environment.is_set(name)) {
        None => Ok(()),
        Some(name) => Err(BuildError::setting(
            name,
            REDACTED,
            "client certificates are not supported; unset it, and authenticate by a header \
             (OTEL_EXPORTER_OTLP_HEADERS) or through a collector nearby that has the certificate",
        )),
    }
}

/// Reads a regular file of a bounded length: the read of a device or a pipe might not end.
fn read_certificate(path: &str) -> std::io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > MAX_CERTIFICATE_BYTES {
        return Err(std::io::Error::other("not a file, or too large"));
    }
    let mut pem = Vec::new();
    std::fs::File::open(path)?.take(MAX_CERTIFICATE_BYTES).read_to_end(&mut pem)?;
    Ok(pem)
}

const MAX_CERTIFICATE_BYTES: u64 = 1 << 20;
const CERTIFICATE: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
const CLIENT_CERTIFICATES: [&str; 4] = [
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
];

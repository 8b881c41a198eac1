//! Certificates of the OTLP exporter: `OTEL_EXPORTER_OTLP_CERTIFICATE`, `_CLIENT_CERTIFICATE` and
//! `_CLIENT_KEY`.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::error::BuildError;
use super::super::redaction::shown_path;
use super::super::settings::{CERTIFICATE, CLIENT_CERTIFICATE, CLIENT_KEY, Setting};
use super::trust::{ClientCertificate, Trust};
use spanwise_transport::TransportBuilder;
use std::path::Path;

/// The settings that name files.
pub(super) struct CertificateSettings {
    pub(super) trusted: &'static Setting,
    pub(super) client: &'static Setting,
    pub(super) key: &'static Setting,
}

/// Those of spans.
pub(super) const OF_SPANS: CertificateSettings =
    CertificateSettings { trusted: &CERTIFICATE, client: &CLIENT_CERTIFICATE, key: &CLIENT_KEY };

/// A file that a variable names: the variable, and its path.
type Named = (&'static str, String);

/// The files that variables name.
#[derive(Clone, Default)]
pub(super) struct CertificateFiles {
    trusted: Option<Named>,
    client: Option<(Named, Named)>,
}

impl SpanwiseBuilder {
    /// Passes the certificates in code or, for an `https` endpoint, of the variables to `transport`.
    ///
    /// # Errors
    /// A variable is not UTF-8, or a client certificate has no key or the reverse.
    pub(super) fn resolve_certificates(
        &self,
        environment: &Environment,
        settings: &CertificateSettings,
        is_https: bool,
        mut transport: TransportBuilder,
    ) -> Result<(TransportBuilder, CertificateFiles), BuildError> {
        let mut files = CertificateFiles::default();
        match &self.trust {
            Some(Trust::Pem(pem)) => transport = transport.with_certificate_pem(&**pem),
            Some(Trust::File(path)) => transport = transport.with_certificate_file(path),
            Some(Trust::SystemRoots) => transport = transport.with_system_roots(),
            None if !is_https => environment.report_unused(settings.trusted, NOT_HTTPS),
            None => {
                files.trusted = environment.required_text(settings.trusted)?;
                if let Some((_, path)) = &files.trusted {
                    transport = transport.with_certificate_file(path);
                }
            }
        }
        match &self.client_certificate {
            Some(ClientCertificate::Pem(certificates, key)) => {
                transport = transport.with_client_certificate_pem(&**certificates, &**key);
            }
            Some(ClientCertificate::Files(certificates, key)) => {
                transport = transport.with_client_certificate_files(certificates, key);
            }
            None if !is_https => {
                environment.report_unused(settings.client, NOT_HTTPS);
                environment.report_unused(settings.key, NOT_HTTPS);
            }
            None => {
                files.client = client_files(environment, settings)?;
                if let Some(((_, certificates), (_, key))) = &files.client {
                    transport = transport.with_client_certificate_files(certificates, key);
                }
            }
        }
        Ok((transport, files))
    }
}

impl SpanwiseBuilder {
    /// Records the certificates and the key: their paths, never their contents.
    pub(super) fn record_certificates(
        &self,
        environment: &Environment,
        settings: &CertificateSettings,
        files: &CertificateFiles,
    ) {
        let named = |file: Option<&Named>| {
            file.map_or_else(|| "none".to_owned(), |(_, path)| shown_path(path))
        };
        let shown = |path: &Path| shown_path(&path.display().to_string());
        let bytes = |pem: &[u8]| format!("[{} bytes]", pem.len());
        environment.effective(settings.trusted, || match &self.trust {
            Some(Trust::Pem(pem)) => bytes(pem),
            Some(Trust::File(path)) => shown(path),
            Some(Trust::SystemRoots) => "the roots of the operating system".to_owned(),
            None => named(files.trusted.as_ref()),
        });
        let of_variables = files.client.clone().unzip();
        let (certificates, key) = match &self.client_certificate {
            Some(ClientCertificate::Pem(certificates, key)) => (bytes(certificates), bytes(key)),
            Some(ClientCertificate::Files(certificates, key)) => (shown(certificates), shown(key)),
            None => (named(of_variables.0.as_ref()), named(of_variables.1.as_ref())),
        };
        environment.effective(settings.client, || certificates);
        environment.effective(settings.key, || key);
    }
}

/// The files of a client certificate and its key: both, or none.
fn client_files(
    environment: &Environment,
    settings: &CertificateSettings,
) -> Result<Option<(Named, Named)>, BuildError> {
    let certificates = environment.required_text(settings.client)?;
    let key = environment.required_text(settings.key)?;
    let alone = |(setting, path): Named, other: &str| {
        let problem = format!("{other} is missing: both have to name a file, or neither");
        BuildError::setting(setting, shown_path(&path), problem)
    };
    match (certificates, key) {
        (None, None) => Ok(None),
        (Some(certificates), Some(key)) => Ok(Some((certificates, key))),
        (Some(certificates), None) => Err(alone(certificates, settings.key.generic_variable())),
        (None, Some(key)) => Err(alone(key, settings.client.generic_variable())),
    }
}

impl CertificateFiles {
    /// Names the variable in an error of the transport about one of its files; other errors pass.
    pub(super) fn named(&self, error: spanwise_transport::BuildError) -> BuildError {
        use spanwise_transport::BuildError as Error;
        let ((certificates, key), trusted) = (self.client.clone().unzip(), self.trusted.clone());
        let (file, problem, accepted) = match &error {
            Error::Certificate { problem, .. } => (trusted, problem, "certificates"),
            Error::ClientCertificate { problem, .. } => {
                (certificates, problem, "a client certificate with its chain")
            }
            Error::ClientKey { problem, .. } => {
                (key, problem, "the client certificate's private key, not encrypted,")
            }
            _ => return error.into(),
        };
        let Some((setting, path)) = file else { return error.into() };
        let accepted =
            format!("accepted is the path of a readable PEM file with {accepted} up to 1 MiB");
        BuildError::setting(setting, shown_path(&path), format!("{problem}; {accepted}"))
    }
}

const NOT_HTTPS: &str = "the endpoint is http, not https";

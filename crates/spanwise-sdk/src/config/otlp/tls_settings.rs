//! Settings of TLS in code: whom the exporter trusts, and how it authenticates itself.

use super::super::builder::SpanwiseBuilder;
use super::trust::{ClientCertificate, Trust};
use spanwise_transport::CryptoProvider;
use std::path::PathBuf;

impl SpanwiseBuilder {
    /// Certificates to trust for `https` instead of the built-in roots, in PEM form: those of certificate
    /// authorities, or exactly the server's own. An `http` endpoint does not use them. The last call of
    /// this, [`with_certificate_file`](Self::with_certificate_file) and
    /// [`with_system_roots`](Self::with_system_roots) counts, and replaces the variable.
    pub fn with_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trust = Some(Trust::Pem(pem.into()));
        self
    }

    /// As [`with_certificate_pem`](Self::with_certificate_pem), from a PEM file of at most 1 MiB
    /// (`OTEL_EXPORTER_OTLP_[TRACES_]CERTIFICATE`). A new connection reads it again once it has changed;
    /// while the new content cannot be used, the old one is.
    pub fn with_certificate_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust = Some(Trust::File(path.into()));
        self
    }

    /// Trusts the root certificates of the operating system for `https` instead of the built-in ones.
    /// Needs the feature `system-roots`.
    pub fn with_system_roots(mut self) -> Self {
        self.trust = Some(Trust::SystemRoots);
        self
    }

    /// The implementation of the cryptography of `https`. Default [`CryptoProvider::Ring`];
    /// [`CryptoProvider::AwsLc`] needs the feature `aws-lc`.
    pub fn with_crypto_provider(mut self, provider: CryptoProvider) -> Self {
        self.crypto_provider = Some(provider);
        self
    }

    /// The certificate chain and the private key that the exporter presents to an `https` endpoint
    /// (mutual TLS), in PEM form. The key is PKCS#8, PKCS#1 or SEC1, and not encrypted; it is never
    /// printed.
    pub fn with_client_certificate_pem(
        mut self,
        certificates: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.client_certificate = Some(ClientCertificate::Pem(certificates.into(), key.into()));
        self
    }

    /// As [`with_client_certificate_pem`](Self::with_client_certificate_pem), from PEM files of at most
    /// 1 MiB (`OTEL_EXPORTER_OTLP_[TRACES_]CLIENT_CERTIFICATE` and `_CLIENT_KEY`). A new connection
    /// reads them again once they have changed, and uses the old ones until the new ones belong together.
    pub fn with_client_certificate_files(
        mut self,
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client_certificate = Some(ClientCertificate::Files(certificates.into(), key.into()));
        self
    }
}

//! The builder's settings of TLS.

use std::path::PathBuf;

use crate::reload_observer::ReloadObserver;
use crate::tls_settings::{Identity, PemSource, Roots};
use crate::{BuildError, CryptoProvider, TransportBuilder};

impl TransportBuilder {
    /// Sets the certificates to trust instead of the Mozilla roots, in PEM. Used for `https` endpoints
    /// only. The last call of this, [`with_certificate_file`](Self::with_certificate_file) and
    /// [`with_system_roots`](Self::with_system_roots) counts.
    ///
    /// They are those of certificate authorities, or the server's own: a server may present exactly a
    /// certificate of this list, self-signed or not. Its name and its period of validity have to be
    /// right all the same. Revocation is not checked.
    pub fn with_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.connection.tls.roots = Roots::Pem(PemSource::Text(pem.into()));
        self
    }

    /// As [`with_certificate_pem`](Self::with_certificate_pem), from a PEM file of at most 1 MiB
    /// (`OTEL_EXPORTER_OTLP_CERTIFICATE`).
    ///
    /// [`build`](Self::build) reads it, and a new connection reads it again when its modification time,
    /// length or inode has changed. While the new content cannot be used, the old one is.
    pub fn with_certificate_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.connection.tls.roots = Roots::Pem(PemSource::File(path.into()));
        self
    }

    /// Trusts the root certificates of the operating system instead of those of Mozilla. Needs the
    /// feature `system-roots`.
    ///
    /// [`build`](Self::build) reads them once. On Linux and the BSDs they are the files of OpenSSL, or
    /// those that the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    pub fn with_system_roots(mut self) -> Self {
        self.connection.tls.roots = Roots::System;
        self
    }

    /// Sets the certificate chain and the private key that the client presents to an `https` endpoint
    /// (mutual TLS), in PEM. Default none. The key is PKCS#8, PKCS#1 or SEC1, and not encrypted. It is
    /// never printed.
    pub fn with_client_certificate_pem(
        mut self,
        certificates: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.connection.tls.identity = Some(Identity {
            setting: "with_client_certificate_pem",
            certificates: PemSource::Text(certificates.into()),
            key: PemSource::Text(key.into()),
        });
        self
    }

    /// As [`with_client_certificate_pem`](Self::with_client_certificate_pem), from PEM files of at most
    /// 1 MiB (`OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY`), which may be
    /// the same file. They are read again as
    /// [`with_certificate_file`](Self::with_certificate_file) describes; a connection that is open keeps
    /// the certificate it began with.
    pub fn with_client_certificate_files(
        mut self,
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.connection.tls.identity = Some(Identity {
            setting: "with_client_certificate_files",
            certificates: PemSource::File(certificates.into()),
            key: PemSource::File(key.into()),
        });
        self
    }

    /// Sets the implementation of the cryptography of `https` connections. Default [`CryptoProvider::Ring`].
    pub fn with_crypto_provider(mut self, provider: CryptoProvider) -> Self {
        self.connection.tls.provider = provider;
        self
    }

    /// Calls `observer` when a certificate file or a key file has changed: with `Ok` when its new content is in use,
    /// with the error at each connection for which it cannot be used, and the old one is. Default none.
    ///
    /// The observer runs on a thread that connects, and delays that connection. Its panics are caught.
    ///
    /// ```
    /// use spanwise_transport::TransportBuilder;
    ///
    /// let builder = TransportBuilder::default().with_reload_observer(|reloaded| {
    ///     if let Err(error) = reloaded {
    ///         eprintln!("the old certificates stay in use: {error}");
    ///     }
    /// });
    /// # assert!(builder.build_blocking().is_ok());
    /// ```
    pub fn with_reload_observer(
        mut self,
        observer: impl Fn(Result<(), &BuildError>) + Send + Sync + 'static,
    ) -> Self {
        self.connection.tls.observer = Some(ReloadObserver::new(observer));
        self
    }
}

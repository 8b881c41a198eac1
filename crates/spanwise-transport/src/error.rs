//! Errors of `TransportBuilder::build`.

use crate::{Endpoint, Protocol};

/// The crates that have the features, as errors name them. This code cannot detect which of the two the program uses.
pub(crate) const CRATE_NAME: &str = "spanwise or spanwise-transport";

/// The reason why a [`Transport`](crate::Transport) or [`Fetcher`](crate::Fetcher) cannot be built.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// An `https` endpoint without the feature `tls`.
    NoTls {
        /// The endpoint.
        endpoint: Endpoint,
        /// The crate that has the feature: this one, or the one that forwards it.
        crate_name: &'static str,
    },
    /// [`Protocol::Grpc`] without the feature `grpc`.
    NoGrpc {
        /// The crate that has the feature: this one, or the one that forwards it.
        crate_name: &'static str,
    },
    /// [`Compression::Zstd`](crate::Compression::Zstd) without the feature `zstd`.
    NoZstd {
        /// The crate that has the feature: this one, or the one that forwards it.
        crate_name: &'static str,
    },
    /// [`HttpVersion::Http2`](crate::HttpVersion::Http2) without the feature `http2`.
    NoHttp2 {
        /// The crate that has the feature: this one, or the one that forwards it.
        crate_name: &'static str,
    },
    /// A [`Fetcher`](crate::Fetcher) of a Unix socket, which names no document.
    UnixSocket {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// A setting that is not accepted: a number outside its range, or what a
    /// [`BlockingTransport`](crate::BlockingTransport) cannot do.
    OutOfRange {
        /// The method of the setting.
        field: &'static str,
        /// The value as given.
        value: String,
        /// The accepted values.
        range: String,
    },
    /// `with_system_roots` without the feature `system-roots`.
    NoSystemRoots {
        /// The crate that has the feature: this one, or the one that forwards it.
        crate_name: &'static str,
    },
    /// [`CryptoProvider::AwsLc`](crate::CryptoProvider::AwsLc) without the feature `aws-lc`.
    NoAwsLc {
        /// The crate that has the feature: this one, or the one that forwards it.
        crate_name: &'static str,
    },
    /// [`CryptoProvider::Installed`](crate::CryptoProvider::Installed), and the process has installed none.
    NoInstalledProvider,
    /// A certificate to trust cannot be used.
    Certificate {
        /// The method that sets it.
        setting: &'static str,
        /// Its value: a path, or a number of bytes.
        value: String,
        /// The reason, in words.
        problem: String,
    },
    /// The client's own certificate cannot be used.
    ClientCertificate {
        /// The method that sets it.
        setting: &'static str,
        /// Its value: a path, or a number of bytes.
        value: String,
        /// The reason, in words.
        problem: String,
    },
    /// The client's private key cannot be used.
    ClientKey {
        /// The method that sets it.
        setting: &'static str,
        /// Its value: a path, or a number of bytes.
        value: String,
        /// The reason, in words; it contains nothing of the key.
        problem: String,
    },
    /// The operating system has no root certificate that can be used.
    SystemRoots {
        /// The reason, in words; it may be empty.
        problem: String,
    },
    /// An `https` endpoint whose host no certificate can name.
    ServerName {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// TLS cannot be set up.
    Tls {
        /// The reason, in words.
        problem: String,
    },
    /// A `User-Agent` prefix that no header can carry.
    UserAgent,
    /// A header that the protocol cannot carry.
    Header {
        /// Its name.
        name: String,
        /// The protocol.
        protocol: Protocol,
        /// The reason, in words; the header value is not shown.
        problem: &'static str,
    },
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoTls { endpoint, crate_name } => {
                write!(f, "{endpoint} {}", MissingFeature::tls(crate_name))
            }
            Self::NoGrpc { crate_name } => {
                write!(f, "the protocol grpc {}", MissingFeature::grpc(crate_name))
            }
            Self::NoZstd { crate_name } => {
                write!(f, "the compression zstd {}", MissingFeature::zstd(crate_name))
            }
            Self::NoHttp2 { crate_name } => {
                write!(f, "HttpVersion::Http2 {}", MissingFeature::http2(crate_name))
            }
            Self::UnixSocket { endpoint } => write!(
                f,
                "{endpoint} cannot be fetched from; accepted is http://host:port/path or https"
            ),
            Self::OutOfRange { field, value, range } => {
                write!(f, "{field} is {value}; accepted is {range}")
            }
            Self::NoSystemRoots { crate_name } => {
                write!(f, "with_system_roots {}", MissingFeature::system_roots(crate_name))
            }
            Self::NoAwsLc { crate_name } => {
                write!(f, "with_crypto_provider=`AwsLc` {}", MissingFeature::aws_lc(crate_name))
            }
            Self::NoInstalledProvider => f.write_str(
                "with_crypto_provider=`Installed`: the process has no crypto provider; accepted is one that \
                 CryptoProvider::install_default of rustls 0.23 has installed before",
            ),
            Self::Certificate { setting, value, problem } => write!(
                f,
                "{setting}=`{value}`: the certificate to trust cannot be used: {problem}; accepted are \
                 certificates in PEM, up to 1 MiB"
            ),
            Self::ClientCertificate { setting, value, problem } => write!(
                f,
                "{setting}=`{value}`: the client certificate cannot be used: {problem}; accepted is a \
                 certificate in PEM with its chain, up to 1 MiB"
            ),
            Self::ClientKey { setting, value, problem } => write!(
                f,
                "{setting}=`{value}`: the client key cannot be used: {problem}; accepted is the \
                 certificate's private key in PEM, not encrypted (PKCS#8, PKCS#1 or SEC1)"
            ),
            Self::SystemRoots { problem } => {
                let problem = match problem.is_empty() {
                    true => String::new(),
                    false => format!(" ({problem})"),
                };
                write!(
                    f,
                    "with_system_roots: the system has no root certificate that can be used{problem}; \
                     accepted are files that SSL_CERT_FILE or SSL_CERT_DIR names, or use \
                     with_certificate_file"
                )
            }
            Self::ServerName { endpoint } => write!(
                f,
                "{endpoint}: its host cannot be that of a certificate; accepted is https:// with a DNS name or \
                 an IP address"
            ),
            Self::Tls { problem } => write!(f, "TLS cannot be set up: {problem}"),
            Self::UserAgent => f.write_str(
                "with_user_agent_prefix: the prefix holds characters that a header cannot carry",
            ),
            Self::Header { name, protocol, problem } => {
                write!(f, "the header `{name}` cannot be sent over {protocol}: {problem}")
            }
        }
    }
}

impl std::error::Error for BuildError {}

debug_as_display!(BuildError);

impl BuildError {
    /// Replaces the crate named in an error about a missing feature. A crate that forwards its
    /// features calls this where no builder is involved (a [`Fetcher`](crate::Fetcher)).
    // Hidden, because only a crate that forwards the features `grpc` and `tls` of this one needs it.
    #[doc(hidden)]
    #[must_use]
    pub fn with_crate_name(mut self, name: &'static str) -> Self {
        if let Self::NoTls { crate_name, .. }
        | Self::NoGrpc { crate_name }
        | Self::NoZstd { crate_name }
        | Self::NoHttp2 { crate_name }
        | Self::NoSystemRoots { crate_name }
        | Self::NoAwsLc { crate_name } = &mut self
        {
            *crate_name = name;
        }
        self
    }

    /// The feature that is not compiled in, if that is the error.
    #[doc(hidden)]
    pub fn missing_feature(&self) -> Option<MissingFeature> {
        match self {
            Self::NoTls { crate_name, .. } => Some(MissingFeature::tls(crate_name)),
            Self::NoGrpc { crate_name } => Some(MissingFeature::grpc(crate_name)),
            Self::NoZstd { crate_name } => Some(MissingFeature::zstd(crate_name)),
            Self::NoHttp2 { crate_name } => Some(MissingFeature::http2(crate_name)),
            Self::NoSystemRoots { crate_name } => Some(MissingFeature::system_roots(crate_name)),
            Self::NoAwsLc { crate_name } => Some(MissingFeature::aws_lc(crate_name)),
            _ => None,
        }
    }

    /// The value and its problem, for a sentence about files that changed.
    #[cfg(feature = "blocking-tls")]
    pub(crate) fn short(&self) -> String {
        match self {
            Self::Certificate { value, problem, .. }
            | Self::ClientCertificate { value, problem, .. }
            | Self::ClientKey { value, problem, .. } => format!("{value}: {problem}"),
            other => other.to_string(),
        }
    }

    #[cfg(feature = "blocking-tls")]
    pub(crate) fn tls(error: &dyn std::error::Error) -> Self {
        let problem = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self::Tls { problem: crate::text::sanitize(&problem) }
    }
}

/// A feature that a setting needs and that is not compiled in. `Display` is the predicate of a sentence whose
/// subject is the setting: `needs the feature …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingFeature {
    /// Its name in `Cargo.toml`.
    pub feature: &'static str,
    /// The crate in the user's `Cargo.toml`.
    pub crate_name: &'static str,
    /// The choice that does not need the feature, as an imperative.
    pub instead: &'static str,
}

impl MissingFeature {
    fn tls(crate_name: &'static str) -> Self {
        let feature = if cfg!(feature = "tokio") { "tls" } else { "blocking-tls" };
        Self { feature, crate_name, instead: "use an http:// endpoint" }
    }

    fn zstd(crate_name: &'static str) -> Self {
        Self { feature: "zstd", crate_name, instead: "use gzip or none" }
    }

    fn system_roots(crate_name: &'static str) -> Self {
        Self { feature: "system-roots", crate_name, instead: "use with_certificate_file" }
    }

    fn http2(crate_name: &'static str) -> Self {
        Self { feature: "http2", crate_name, instead: "use HttpVersion::Http1" }
    }

    fn aws_lc(crate_name: &'static str) -> Self {
        Self { feature: "aws-lc", crate_name, instead: "use CryptoProvider::Ring" }
    }

    fn grpc(crate_name: &'static str) -> Self {
        Self { feature: "grpc", crate_name, instead: "use http/protobuf (port 4318)" }
    }
}

impl std::fmt::Display for MissingFeature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { feature, crate_name, instead } = self;
        write!(
            f,
            "needs the feature `{feature}`, which is not compiled in: add \
             features = [\"{feature}\"] to {crate_name} in Cargo.toml, or {instead}"
        )
    }
}

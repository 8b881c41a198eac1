//! Why a transport cannot be made.

use crate::{Endpoint, Protocol};

/// Why a transport cannot be made.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// An `https` endpoint without the feature `tls`.
    NoTls {
        /// The endpoint.
        endpoint: Endpoint,
        /// Whose feature it is, as [`with_crate_name`](crate::TransportBuilder::with_crate_name) says.
        crate_name: &'static str,
    },
    /// [`Protocol::Grpc`] without the feature `grpc`.
    NoGrpc {
        /// Whose feature it is, as [`with_crate_name`](crate::TransportBuilder::with_crate_name) says.
        crate_name: &'static str,
    },
    /// A number that is none of those accepted.
    OutOfRange {
        /// Which number: the method that sets it.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        range: String,
    },
    /// The certificate to trust cannot be read.
    Certificate {
        /// What is wrong with it.
        problem: String,
    },
    /// TLS cannot be set up for the endpoint's host.
    Tls {
        /// What is wrong.
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
        /// What is wrong with it; its value is not shown.
        problem: &'static str,
    },
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoTls { endpoint, crate_name } => write!(
                f,
                "{endpoint} needs the feature `tls` of {crate_name}, which is not compiled in"
            ),
            Self::NoGrpc { crate_name } => write!(
                f,
                "the protocol grpc needs the feature `grpc` of {crate_name}, which is not compiled in"
            ),
            Self::OutOfRange { field, value, range } => {
                write!(f, "{field} is {value}; accepted is {range}")
            }
            Self::Certificate { problem } => write!(
                f,
                "with_certificate_pem: the certificate to trust cannot be used: {problem}"
            ),
            Self::Tls { problem } => write!(f, "TLS cannot be set up: {problem}"),
            Self::UserAgent => f.write_str(
                "with_user_agent_prefix: the prefix holds characters that a header cannot carry",
            ),
            Self::Header { name, protocol, problem } => {
                write!(f, "with_headers: header `{name}` cannot be sent over {protocol}: {problem}")
            }
        }
    }
}

impl std::error::Error for BuildError {}

debug_as_display!(BuildError);

impl BuildError {
    /// The same, with `name` as the crate whose feature is missing: for a crate that passes its
    /// features on, where no builder was asked (a [`Fetcher`](crate::Fetcher)).
    #[must_use]
    pub fn with_crate_name(mut self, name: &'static str) -> Self {
        if let Self::NoTls { crate_name, .. } | Self::NoGrpc { crate_name } = &mut self {
            *crate_name = name;
        }
        self
    }

    #[cfg(feature = "tls")]
    pub(crate) fn tls(error: &dyn std::error::Error) -> Self {
        let problem = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self::Tls { problem: crate::text::sanitize(&problem) }
    }
}

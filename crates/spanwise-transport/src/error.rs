//! Why a transport cannot be made.

use crate::{Endpoint, Protocol};

/// Why a transport cannot be made.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An `https` endpoint without the feature `tls`.
    #[error("{endpoint} needs the feature `tls` of {crate_name}, which is not compiled in")]
    NoTls {
        /// The endpoint.
        endpoint: Endpoint,
        /// Whose feature it is, as [`with_crate_name`](crate::TransportBuilder::with_crate_name) says.
        crate_name: &'static str,
    },
    /// [`Protocol::Grpc`] without the feature `grpc`.
    #[error("the protocol grpc needs the feature `grpc` of {crate_name}, which is not compiled in")]
    NoGrpc {
        /// Whose feature it is, as [`with_crate_name`](crate::TransportBuilder::with_crate_name) says.
        crate_name: &'static str,
    },
    /// A number that is none of those accepted.
    #[error("{field} is {value}; accepted is {range}")]
    OutOfRange {
        /// Which number: the method that sets it.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        range: String,
    },
    /// The certificate to trust cannot be read.
    #[error("with_certificate_pem: the certificate to trust cannot be used: {problem}")]
    Certificate {
        /// What is wrong with it.
        problem: String,
    },
    /// TLS cannot be set up for the endpoint's host.
    #[error("TLS cannot be set up: {problem}")]
    Tls {
        /// What is wrong.
        problem: String,
    },
    /// A `User-Agent` prefix that no header can carry.
    #[error("with_user_agent_prefix: the prefix holds characters that a header cannot carry")]
    UserAgent,
    /// A header that the protocol cannot carry.
    #[error("with_headers: header `{name}` cannot be sent over {protocol}: {problem}")]
    Header {
        /// Its name.
        name: String,
        /// The protocol.
        protocol: Protocol,
        /// What is wrong with it; its value is not shown.
        problem: &'static str,
    },
}

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

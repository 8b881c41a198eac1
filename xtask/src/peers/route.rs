//! The routes between Spanwise and a peer: protocol, compression, security.

use super::{Certificates, Variables};
use std::fmt;

/// One route. The words are the values of `OTEL_EXPORTER_OTLP_PROTOCOL` and `…_COMPRESSION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) protocol: &'static str,
    pub(crate) compression: &'static str,
    pub(crate) security: Security,
}

/// The security of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    Plain,
    Tls,
    /// TLS with a client certificate, which the server demands.
    Mtls,
}

impl Security {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::Mtls];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Mtls => "mtls",
        }
    }

    /// The URL of a port of this machine.
    pub(crate) fn url(self, port: u16) -> String {
        match self {
            Self::Plain => format!("http://127.0.0.1:{port}"),
            Self::Tls | Self::Mtls => format!("https://localhost:{port}"),
        }
    }
}

impl Route {
    /// All of them: a new protocol or compression is a word in one of the two lists.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        PROTOCOLS.into_iter().flat_map(|protocol| {
            COMPRESSIONS.into_iter().flat_map(move |compression| {
                Security::ALL.map(|security| Self { protocol, compression, security })
            })
        })
    }

    /// A route in plain text.
    pub(crate) const fn plain(protocol: &'static str, compression: &'static str) -> Self {
        Self { protocol, compression, security: Security::Plain }
    }

    pub(crate) fn is_grpc(self) -> bool {
        self.protocol == "grpc"
    }

    /// The settings of Spanwise to send by this route to a port of this machine, without certificates.
    pub(crate) fn plain_variables(self, port: u16) -> Variables {
        Variables::from([
            ("OTEL_EXPORTER_OTLP_PROTOCOL", self.protocol.to_owned()),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", self.compression.to_owned()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.security.url(port)),
        ])
    }

    /// The settings of Spanwise to send by this route to a port of this machine.
    pub(crate) fn variables(self, port: u16, certificates: &Certificates) -> Variables {
        let mut variables = self.plain_variables(port);
        if self.security != Security::Plain {
            variables.insert("OTEL_EXPORTER_OTLP_CERTIFICATE", certificates.authority());
        }
        if self.security == Security::Mtls {
            let (certificate, key) = certificates.client();
            variables.insert("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate);
            variables.insert("OTEL_EXPORTER_OTLP_CLIENT_KEY", key);
        }
        variables
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.protocol, self.compression, self.security.name())
    }
}

const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];
const COMPRESSIONS: [&str; 3] = ["none", "gzip", "zstd"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_27_routes_with_names_of_their_own() {
        let names: std::collections::BTreeSet<String> =
            Route::all().map(|route| route.to_string()).collect();
        assert_eq!(names.len(), 27);
        assert!(names.contains("http/json/zstd/mtls"));
    }
}

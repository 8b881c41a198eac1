//! The problem of an endpoint URL.

use std::fmt;

/// The problem of an endpoint URL.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointProblem {
    /// Nothing but white space.
    Empty,
    /// Not a URL at all.
    Syntax,
    /// No scheme, or neither `http` nor `https`.
    Scheme,
    /// No host.
    Host,
    /// A port outside 0 to 65535.
    Port,
    /// `user:password@host`: a header carries credentials, a URL does not.
    Credentials,
    /// A control character in path or query.
    Control,
    /// The path of a Unix socket is relative, ends with `/`, or has more than 107 bytes (103 on some systems).
    SocketPath,
    /// A Unix socket on a system without them.
    NoUnixSockets,
}

impl fmt::Display for EndpointProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Syntax => f.write_str("it is not a URL"),
            Self::Scheme => f.write_str("its scheme is neither http nor https"),
            Self::Host => f.write_str("it names no host"),
            Self::Port => f.write_str("its port is not a number up to 65535"),
            Self::Credentials => f.write_str(
                "it holds credentials, which belong in a header (OTEL_EXPORTER_OTLP_HEADERS)",
            ),
            Self::SocketPath => write!(
                f,
                "the path of its socket is not absolute, ends with / or has more than {MAX_SOCKET_PATH} bytes"
            ),
            Self::NoUnixSockets => f.write_str("this system has no Unix sockets"),
            Self::Control => f.write_str("it holds a control character"),
        }
    }
}

impl std::error::Error for EndpointProblem {}

debug_as_display!(EndpointProblem);

/// The length of `sockaddr_un::sun_path`, less the zero at its end.
pub(crate) const MAX_SOCKET_PATH: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

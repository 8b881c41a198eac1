//! Errors of connecting, as text.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// The reason why `connect` failed, as text for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectProblem {
    /// The resolver found no address for the host name; with its message.
    Name(String),
    /// The Unix socket does not exist.
    #[cfg_attr(not(unix), expect(dead_code, reason = "no Unix sockets"))]
    NoSocket,
    /// The host refused the connection.
    Refused,
    /// No address answered within [`CONNECT_TIMEOUT`].
    TimedOut,
    /// The proxy is not reached, or makes no tunnel.
    #[cfg(feature = "proxy")]
    Proxy { proxy: String, problem: String },
    /// Another error of the operating system.
    Other(String),
}

impl ConnectProblem {
    /// Converts the error of one address.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Other(os_message(error)),
        }
    }
}

impl fmt::Display for ConnectProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(message) => write!(f, "the host name cannot be resolved: {message}"),
            Self::NoSocket => f.write_str("the socket does not exist"),
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => write!(f, "no connection within {CONNECT_TIMEOUT:?}"),
            #[cfg(feature = "proxy")]
            Self::Proxy { proxy, problem } => write!(f, "the proxy {proxy}: {problem}"),
            Self::Other(message) => write!(f, "no connection: {message}"),
        }
    }
}

impl Error for ConnectProblem {}

/// The operating system's message without its number and without the resolver's prefix, for use
/// within a sentence.
pub(crate) fn os_message(error: &io::Error) -> String {
    let message = error.to_string();
    let message = message.split_once(" (os error").map_or(&*message, |(message, _)| message);
    let message = message.strip_prefix("failed to lookup address information: ").unwrap_or(message);
    let mut letters = message.chars();
    match letters.next() {
        // An abbreviation retains its capitals.
        Some(first) if letters.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => message.to_owned(),
    }
}

/// The timeout of connecting to all addresses of one family.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

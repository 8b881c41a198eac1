//! Why there is no TCP connection, in words.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Why no TCP connection was made. `Display` is the reason in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectProblem {
    /// The host's name has no address; what the system says of it.
    Name(String),
    /// Nobody listens.
    Refused,
    /// Nobody answers.
    TimedOut,
    /// What else the system says.
    Other(String),
}

impl ConnectProblem {
    /// The problem of an address that `error` is the reason of.
    pub(super) fn of(error: &io::Error) -> Self {
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
            Self::Name(said) => write!(f, "the host name cannot be resolved: {said}"),
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => write!(f, "no connection within {CONNECT_TIMEOUT:?}"),
            Self::Other(said) => write!(f, "no connection: {said}"),
        }
    }
}

impl Error for ConnectProblem {}

/// The system's message without its number and without the resolver's prefix, to stand within a
/// sentence of ours.
pub(crate) fn os_message(error: &io::Error) -> String {
    let message = error.to_string();
    let message = message.split_once(" (os error").map_or(&*message, |(message, _)| message);
    let message = message.strip_prefix("failed to lookup address information: ").unwrap_or(message);
    let mut letters = message.chars();
    match letters.next() {
        // Only a word: an abbreviation keeps its capitals.
        Some(first) if letters.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => message.to_owned(),
    }
}

/// Time for all addresses of one family.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

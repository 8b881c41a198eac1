//! Why there is no TCP connection, in words.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use tower_service::Service;

use super::CONNECT_TIMEOUT;
use crate::wire::below;

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
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut other = None;
        for error in below(error) {
            if let Some(Unresolved(error)) = error.downcast_ref() {
                return Self::Name(os_message(error));
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                match error.kind() {
                    ErrorKind::ConnectionRefused => return Self::Refused,
                    ErrorKind::TimedOut => return Self::TimedOut,
                    _ => other = Some(os_message(error)),
                }
            }
        }
        Self::Other(other.unwrap_or_else(|| error.to_string()))
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

/// The system's resolver, whose failures can be told from others.
#[derive(Debug, Clone)]
pub(super) struct Resolver(GaiResolver);

impl Resolver {
    pub(super) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

/// A name that was not resolved.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unresolved(io::Error);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, Unresolved>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        self.0.poll_ready(cx).map_err(Unresolved)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.0.call(name);
        Box::pin(async move { resolving.await.map_err(Unresolved) })
    }
}

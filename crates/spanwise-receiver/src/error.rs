//! The error of starting a receiver.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Error of [`ReceiverBuilder::start`](crate::ReceiverBuilder::start), which leaves nothing running.
///
/// `Debug` formats as `Display`, because `main` prints the `Debug` of its error.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A limit is out of its range.
    #[error("the limit {limit} is {value}, and must be in {range}")]
    Limit {
        /// Its name, as in the `with_` method of [`Limits`](crate::Limits).
        limit: &'static str,
        /// Its value.
        value: String,
        /// The accepted range.
        range: String,
    },
    /// Binding the address failed: it is in use, not local or not permitted.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The requested address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// Binding a Unix socket failed: its folder does not exist or is not writable, another process listens
    /// there, the path is too long, or the system has no Unix sockets.
    #[error("cannot listen on unix:{}: {source}", path.display())]
    BindUnix {
        /// The requested path.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A certificate or a key cannot be used.
    #[error("{setting}: {problem}; accepted are certificates and an unencrypted key in PEM")]
    Tls {
        /// The method of [`ReceiverBuilder`](crate::ReceiverBuilder) that sets it.
        setting: &'static str,
        /// The reason, in words; it contains nothing of the key.
        problem: &'static str,
    },
    /// Spawning the thread failed.
    #[error("cannot start the receiver's thread: {0}")]
    Thread(#[source] io::Error),
    /// Building the runtime of the thread failed.
    #[error("cannot start the receiver's runtime: {0}")]
    Runtime(#[source] io::Error),
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! [`AdminError`]: why an endpoint did not start.

use std::io;
use std::net::SocketAddr;

/// An endpoint did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// A setting has a value that is not accepted.
    #[error("{setting}=`{value}`: accepted is {accepted}")]
    Setting {
        /// The builder's method.
        setting: &'static str,
        /// Its value, at most 256 bytes without control characters.
        value: String,
        /// The accepted values.
        accepted: &'static str,
    },
    /// The address cannot be bound: another process has the port, or the machine does not have the address.
    #[error("binding {address} failed: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The operating system refused the thread or a resource of its runtime.
    #[error("starting the thread of the admin endpoint failed: {0}")]
    Thread(#[source] io::Error),
}

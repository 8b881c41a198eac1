//! Why a receiver did not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why [`ReceiverBuilder::start`](crate::ReceiverBuilder::start) failed. Nothing is left running.
///
/// `Debug` reads as `Display`: it is what `main` prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A limit is out of its range.
    #[error("the limit {limit} is {value}, and must be in {range}")]
    Limit {
        /// The method of [`Limits`](crate::Limits) that sets it.
        limit: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        range: String,
    },
    /// The address is taken, not ours or not allowed.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread.
    #[error("cannot start the receiver's thread: {0}")]
    Thread(#[source] io::Error),
    /// The thread's runtime could not be set up.
    #[error("cannot start the receiver's runtime: {0}")]
    Runtime(#[source] io::Error),
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

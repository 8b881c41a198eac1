//! Small documents in: configuration that is asked for, over the way requests go out.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::http1::HttpWire;
use crate::transport::later;
use crate::{BuildError, Endpoint, Transport, range};

/// Fetches documents, again and again, by HTTP `GET` or `POST`. No redirect is followed.
#[derive(Debug)]
pub struct Fetcher {
    wire: HttpWire,
    timeout: Duration,
    most: usize,
}

impl Fetcher {
    /// Fetches `endpoint`, its path and query as they are; each time within `timeout` (at least
    /// 1 ms), and no more than `most_bytes` (1 to 64 MiB). An `https` endpoint is trusted by the roots that Mozilla ships.
    ///
    /// # Errors
    /// An `https` endpoint without the feature `tls`, or a number out of its range.
    pub fn new(
        endpoint: Endpoint,
        timeout: Duration,
        most_bytes: usize,
    ) -> Result<Self, BuildError> {
        if endpoint.is_https() && cfg!(not(feature = "tls")) {
            return Err(BuildError::NoTls { endpoint, crate_name: env!("CARGO_PKG_NAME") });
        }
        range::time("Fetcher::new (the timeout of a fetch)", timeout)?;
        range::number("Fetcher::new (the most bytes of a fetch)", most_bytes, 1..=MOST_BYTES)?;
        let wire = Transport::builder().http_wire(endpoint)?;
        Ok(Self { wire, timeout, most: most_bytes })
    }

    /// The document as it is now.
    ///
    /// Dropping the future gives up and leaves nothing behind.
    ///
    /// # Errors
    /// See [`FetchError`].
    ///
    /// # Panics
    /// On a tokio runtime without time or I/O, as tokio does.
    pub async fn get(&self) -> Result<Bytes, FetchError> {
        self.document(None).await
    }

    /// The answer to `json`, posted to `path` (beginning with `/`) below the endpoint's own.
    ///
    /// Dropping the future gives up; what was posted may have been taken.
    ///
    /// # Errors
    /// See [`FetchError`].
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub async fn post(&self, path: &str, json: Bytes) -> Result<Bytes, FetchError> {
        self.document(Some((path, json))).await
    }

    async fn document(&self, posted: Option<(&str, Bytes)>) -> Result<Bytes, FetchError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(FetchError::NoRuntime);
        }
        self.wire.document(posted, self.most, later(Instant::now(), self.timeout)).await
    }
}

/// Documents are small, and read whole.
const MOST_BYTES: usize = 64 << 20;

/// Why there is no document.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection, or it broke, or time was up.
    Unreachable {
        /// What the connection said; one line, at most 256 bytes.
        said: String,
    },
    /// An answer that is not a success.
    Status(u16),
    /// A document that is too large.
    TooLarge {
        /// The most that is taken, in bytes.
        most: usize,
    },
    /// The path to post to is none.
    NoPath,
    /// Not inside a tokio runtime.
    NoRuntime,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { said } => write!(f, "no answer ({said})"),
            Self::Status(status) => write!(f, "HTTP status {status}"),
            Self::TooLarge { most } => write!(f, "an answer of more than {most} bytes"),
            Self::NoPath => f.write_str("the path to post to is none: accepted is /name"),
            Self::NoRuntime => f.write_str("not inside a tokio runtime"),
        }
    }
}

debug_as_display!(FetchError);

impl std::error::Error for FetchError {}

//! Small documents in: configuration that is asked for, over the way requests go out.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::deadline::deadline_after;
use crate::http1::HttpBackend;
use crate::{BuildError, Endpoint, FetchError, Transport, range};

/// Fetches documents, again and again, by HTTP `GET` or `POST`. No redirect is followed.
#[derive(Debug)]
pub struct Fetcher {
    backend: HttpBackend,
    timeout: Duration,
    max_bytes: usize,
}

impl Fetcher {
    /// Fetches `endpoint`, its path and query as they are; each time within `timeout` (at least
    /// 1 ms), and no more than `max_bytes` (1 to 64 MiB). An `https` endpoint is trusted by the roots that Mozilla ships.
    ///
    /// # Errors
    /// An `https` endpoint without the feature `tls`, or a number out of its range.
    pub fn new(
        endpoint: Endpoint,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<Self, BuildError> {
        if endpoint.is_https() && cfg!(not(feature = "tls")) {
            return Err(BuildError::NoTls { endpoint, crate_name: env!("CARGO_PKG_NAME") });
        }
        range::time("Fetcher::new (the timeout of a fetch)", timeout)?;
        range::number(
            "Fetcher::new (the maximum bytes of a fetch)",
            max_bytes,
            1..=MAX_DOCUMENT_BYTES,
        )?;
        let backend = Transport::builder().http_backend(endpoint)?;
        Ok(Self { backend, timeout, max_bytes })
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
        let until = deadline_after(Instant::now(), self.timeout);
        self.backend.document(posted, self.max_bytes, until).await
    }
}

/// Documents are small, and read whole.
const MAX_DOCUMENT_BYTES: usize = 64 << 20;

//! Small documents over HTTP: remote configuration.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::deadline::deadline_after;
use crate::error::CRATE_NAME;
use crate::http1::HttpBackend;
use crate::{BuildError, Endpoint, FetchError, Transport, range};

/// An HTTP client that fetches documents by `GET` or `POST`. It follows no redirect.
#[derive(Debug)]
pub struct Fetcher {
    backend: HttpBackend,
    timeout: Duration,
    max_bytes: usize,
}

impl Fetcher {
    /// A fetcher of `endpoint`, whose path and query are used unchanged. Each fetch ends within
    /// `timeout` (at least 1 ms) and reads at most `max_bytes` (1 to 64 MiB). The Mozilla roots
    /// authenticate an `https` endpoint.
    ///
    /// # Errors
    /// An `https` endpoint without the feature `tls`, a Unix socket, or a number out of its range.
    pub fn new(
        endpoint: Endpoint,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<Self, BuildError> {
        if endpoint.is_https() && cfg!(not(feature = "tls")) {
            return Err(BuildError::NoTls { endpoint, crate_name: CRATE_NAME });
        }
        if endpoint.unix_path().is_some() {
            return Err(BuildError::UnixSocket { endpoint });
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

    /// Fetches the document by `GET`.
    ///
    /// Dropping the future cancels the fetch and closes its connection.
    ///
    /// # Errors
    /// See [`FetchError`].
    ///
    /// # Panics
    /// On a tokio runtime without time or I/O, as tokio does.
    pub async fn get(&self) -> Result<Bytes, FetchError> {
        self.document(None).await
    }

    /// Fetches the response to a `POST` of `json` to `path` (beginning with `/`), which is appended
    /// to the endpoint's own path.
    ///
    /// Dropping the future cancels the fetch; the server may have accepted the body.
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

/// Upper limit for `max_bytes`: a document is held in memory as a whole.
const MAX_DOCUMENT_BYTES: usize = 64 << 20;

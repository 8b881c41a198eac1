//! An HTTP/2 client of one endpoint: all requests share one connection.

mod connection;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::header::HOST;
use http::uri::Authority;
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::body::FullBody;
use crate::connector::Connector;
use crate::http1::ConnectionError;
use connection::Connection;

/// The connection to one endpoint, on one runtime.
#[derive(Debug)]
pub(crate) struct SharedConnection {
    idle_timeout: Duration,
    current: Mutex<Option<Current>>,
    /// One request connects; the others wait for it.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Current {
    connection: Connection,
    /// When a request was sent on it last.
    used: Instant,
    #[expect(dead_code, reason = "held for its drop")]
    evictor: AbortOnDrop,
}

#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl SharedConnection {
    pub(crate) fn new(idle_timeout: Duration) -> Self {
        let (current, connecting) = Default::default();
        Self { idle_timeout, current, connecting }
    }

    /// Sends `request` and waits for the headers of its response. A request of which no byte was written,
    /// because the connection had been closed, is sent over another one.
    ///
    /// Dropping the future drops the connection too, as far as later requests are concerned: a peer that
    /// did not answer in time may never do.
    pub(crate) async fn send(
        self: Arc<Self>,
        connector: &Connector,
        mut request: Request<FullBody>,
    ) -> Result<(Response<Incoming>, InFlight), ConnectionError> {
        loop {
            let (connection, is_reused) = self.acquire(connector).await?;
            let mut in_flight = InFlight { shared: self.clone(), connection, is_answered: false };
            let sending = in_flight.connection.requests.try_send_request(request);
            let response = sending.await;
            in_flight.is_answered = true;
            match response {
                Ok(response) => return Ok((response, in_flight)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if is_reused => {
                        self.forget(&in_flight.connection);
                        request = unsent;
                    }
                    _ => return Err(ConnectionError::Http(error.into_error())),
                },
            }
        }
    }

    /// The connection, and whether another request has used it.
    async fn acquire(
        self: &Arc<Self>,
        connector: &Connector,
    ) -> Result<(Connection, bool), ConnectionError> {
        if let Some(connection) = self.take_current() {
            return Ok((connection, true));
        }
        // In a box: connections are rare, and their futures much larger than a request's.
        Box::pin(self.connect(connector)).await
    }

    /// A new connection, or the one that another request has made meanwhile.
    async fn connect(
        self: &Arc<Self>,
        connector: &Connector,
    ) -> Result<(Connection, bool), ConnectionError> {
        let _connecting = self.connecting.lock().await;
        if let Some(connection) = self.take_current() {
            return Ok((connection, true));
        }
        let stream = connector.connect().await.map_err(ConnectionError::Connect)?;
        let connection = Connection::new(stream).await.map_err(ConnectionError::Http)?;
        let evicting = tokio::spawn(evict(Arc::downgrade(self), self.idle_timeout));
        *self.lock() = Some(Current {
            connection: connection.clone(),
            used: Instant::now(),
            evictor: AbortOnDrop(evicting.abort_handle()),
        });
        Ok((connection, false))
    }

    /// A clone of the connection, if it is open.
    fn take_current(&self) -> Option<Connection> {
        let mut current = self.lock();
        let is_open = |it: &Current| {
            let is_idle = it.connection.is_unused() && it.used.elapsed() > self.idle_timeout;
            !it.connection.requests.is_closed() && !is_idle
        };
        current.take_if(|it| !is_open(it));
        let current = current.as_mut()?;
        current.used = Instant::now();
        Some(current.connection.clone())
    }

    /// Later requests do not use `connection`; those in flight go on.
    fn forget(&self, connection: &Connection) {
        drop(self.lock().take_if(|current| current.connection.is(connection)));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in flight, until its response was read.
#[derive(Debug)]
pub(crate) struct InFlight {
    shared: Arc<SharedConnection>,
    connection: Connection,
    is_answered: bool,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.is_answered {
            self.shared.forget(&self.connection);
        }
    }
}

/// Closes the connection when it is idle for `timeout`, at twice that time at the latest.
async fn evict(shared: Weak<SharedConnection>, timeout: Duration) {
    loop {
        tokio::time::sleep(timeout).await;
        let Some(shared) = shared.upgrade() else { return };
        let is_idle = |it: &mut Current| it.connection.is_unused() && it.used.elapsed() >= timeout;
        if shared.lock().take_if(is_idle).is_some() {
            return;
        }
    }
}

/// Addresses `request` to `uri` in HTTP/2: a `Host` among the caller's headers becomes the authority (RFC
/// 9113, 8.3.1).
pub(crate) fn address(request: &mut Request<FullBody>, uri: &Uri) {
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri.clone();
    let host = request.headers_mut().remove(HOST);
    let Some(host) = host.and_then(|it| Authority::try_from(it.as_bytes()).ok()) else { return };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(host);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

//! An HTTP/1.1 client of one endpoint; it resends a request that a stale connection did not send.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use super::connection::{self, RequestSender};
use super::pool::{Acquired, ConnectionPool};
use crate::body::FullBody;
use crate::connector::{ConnectError, Connector};

/// Connects to one endpoint.
pub(super) struct Client {
    pub(super) connector: Connector,
}

/// A response, and the connection that its body is read from.
pub(super) struct Exchange {
    pool: Arc<ConnectionPool>,
    /// Whether idle connections are left alone.
    is_new: bool,
    /// Of the response, and whether it served a request before.
    sender: Option<(RequestSender, bool)>,
}

impl Exchange {
    /// An exchange over a connection of `pool`.
    pub(super) fn new(pool: Arc<ConnectionPool>) -> Self {
        Self { pool, is_new: false, sender: None }
    }

    /// An exchange over a new connection, which `pool` takes back.
    pub(super) fn on_new_connection(pool: Arc<ConnectionPool>) -> Self {
        Self { pool, is_new: true, sender: None }
    }

    /// Whether the response came over a connection that served a request before.
    pub(super) fn is_reused(&self) -> bool {
        self.sender.as_ref().is_some_and(|(_, reused)| *reused)
    }

    /// Sends `request` and waits for the headers of its response.
    ///
    /// A request of which no byte was written, because its idle connection had been closed, is sent
    /// over another connection.
    pub(super) async fn send(
        &mut self,
        client: &Client,
        mut request: Request<FullBody>,
    ) -> Result<Response<Incoming>, ConnectionError> {
        loop {
            let Acquired { mut sender, reused } = match self.is_new {
                false => self.pool.acquire(|| client.connect()).await?,
                true => Acquired { sender: Box::pin(client.connect()).await?, reused: false },
            };
            sender.limit.begin();
            match sender.requests.try_send_request(request).await {
                Ok(response) => {
                    sender.limit.end();
                    self.sender = Some((sender, reused));
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if reused => request = unsent,
                    _ => return Err(ConnectionError::Http(error.into_error())),
                },
            }
        }
    }

    /// Returns the connection to its pool, after the body of the response was read.
    pub(super) fn end(self) {
        if let Some((sender, _)) = self.sender {
            self.pool.release(sender);
        }
    }
}

impl Client {
    async fn connect(&self) -> Result<RequestSender, ConnectionError> {
        let stream = self.connector.connect().await.map_err(ConnectionError::Connect)?;
        connection::handshake(stream).await.map_err(ConnectionError::Http)
    }
}

/// The stage at which a request failed; the reason is its source.
#[derive(Debug)]
pub(crate) enum ConnectionError {
    Connect(ConnectError),
    Http(hyper::Error),
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect(_) => "no connection",
            Self::Http(_) => "no HTTP response",
        })
    }
}

impl Error for ConnectionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::Connect(error) => error,
            Self::Http(error) => error,
        })
    }
}

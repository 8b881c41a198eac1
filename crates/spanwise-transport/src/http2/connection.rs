//! One HTTP/2 connection. Tasks of its own run it until it is closed.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::Executor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::body::FullBody;
use crate::tcp::HyperIo;

/// A connection that takes any number of requests at once. When the last clone is dropped it closes, also if
/// its peer does not read: after [`CLOSE_TIMEOUT`] at the latest.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) requests: SendRequest<FullBody>,
    /// Shared by the requests in flight and the slot of the idle connection.
    open: Arc<Open>,
}

/// Held for its drop, which notifies the connection's task.
#[derive(Debug)]
struct Open(#[expect(dead_code, reason = "held for its drop")] oneshot::Sender<()>);

impl Connection {
    /// Starts HTTP/2 on `stream`, with prior knowledge of it (RFC 9113, 3.3).
    pub(super) async fn new(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, hyper::Error> {
        let tasks = Tasks::default();
        let builder = Builder::new(tasks.clone());
        let (requests, connection) = builder.handshake(HyperIo::new(stream)).await?;
        let (open, dropped) = oneshot::channel();
        tasks.execute(async move {
            // The reason of an end is in the errors of its requests.
            let _ended = connection.await;
        });
        tokio::spawn(async move {
            let _dropped = dropped.await;
            tokio::time::sleep(CLOSE_TIMEOUT).await;
            tasks.abort();
        });
        Ok(Self { requests, open: Arc::new(Open(open)) })
    }

    /// Whether both are clones of one connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.open, &other.open)
    }

    /// Whether this is the only clone, so that no request is in flight.
    pub(super) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.open) == 1
    }
}

/// The tasks of one connection: hyper spawns one for its frames, and one for a body that waits for the peer's
/// window.
#[derive(Debug, Clone, Default)]
struct Tasks(Arc<Mutex<Vec<AbortHandle>>>);

impl Tasks {
    /// Ends all tasks: a peer that does not read would hold the socket and the memory of requests.
    fn abort(&self) {
        self.lock().drain(..).for_each(|task| task.abort());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut tasks = self.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(tokio::spawn(future).abort_handle());
    }
}

/// For the close of a connection, with what it has begun to write.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::sent::Sent;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_holds_neither_socket_nor_memory() {
        let (near, mut far) = tokio::io::duplex(CAPACITY);
        let mut connection = Connection::new(near).await.unwrap();
        // RFC 9113, 6.5 and 6.9: windows of 2 GiB, for the stream and for the connection.
        far.write_all(b"\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff").await.unwrap();
        far.write_all(b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0").await.unwrap();
        let body = FullBody::new(Bytes::from(vec![0; 1 << 20]), Sent::default());
        let mut request = Request::post("http://localhost/").body(body).unwrap();
        *request.version_mut() = http::Version::HTTP_2;
        let sending = connection.requests.try_send_request(request);
        assert!(tokio::time::timeout(CLOSE_TIMEOUT, sending).await.is_err());
        assert!(connection.is_unused() && connection.clone().is(&connection));
        drop(connection);
        tokio::time::sleep(2 * CLOSE_TIMEOUT).await;
        let mut written = Vec::new();
        far.read_to_end(&mut written).await.unwrap();
        assert_eq!(written.len(), CAPACITY, "what was in the socket, and no more");
    }

    const CAPACITY: usize = 32 << 10;
}

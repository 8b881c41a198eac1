//! One connection. A task of its own runs it until it ends or is dropped.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::head_limit::HeadLimit;
use crate::body::FullBody;
use crate::tcp::HyperIo;

/// The end of a connection that takes requests, one at a time. Dropping it closes the connection,
/// also one whose peer does not read: after [`CLOSE_TIMEOUT`] at the latest.
#[derive(Debug)]
pub(super) struct RequestSender {
    pub(super) requests: SendRequest<FullBody>,
    pub(super) limit: HeadLimit,
    #[expect(dead_code, reason = "held for its drop, which notifies the connection's task")]
    open: oneshot::Sender<()>,
}

/// Starts HTTP/1.1 on `stream`, and waits until the connection takes a request.
pub(super) async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<RequestSender, hyper::Error> {
    let mut builder = Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let limit = HeadLimit::new();
    let stream = HyperIo::new(stream).with_observer(limit.clone());
    let (mut requests, connection) = builder.handshake(stream).await?;
    let (open, dropped) = oneshot::channel();
    let running = tokio::spawn(run(connection, dropped));
    match requests.ready().await {
        Ok(()) => Ok(RequestSender { requests, limit, open }),
        // The connection's own error is the reason; the sender reports only that it closed.
        Err(closed) if closed.is_closed() => match running.await {
            Ok(Err(reason)) => Err(reason),
            Ok(Ok(())) | Err(_) => Err(closed),
        },
        Err(error) => Err(error),
    }
}

/// Runs `connection` to its end, or until [`CLOSE_TIMEOUT`] after its sender was `dropped`.
///
/// hyper writes what it has begun before it closes. A peer that does not read would hold the socket
/// and the request's memory.
async fn run(
    connection: impl Future<Output = hyper::Result<()>>,
    dropped: oneshot::Receiver<()>,
) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    let mut closing = pin!(async {
        let _dropped = dropped.await;
        tokio::time::sleep(CLOSE_TIMEOUT).await;
    });
    poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(ended),
        Poll::Pending => closing.as_mut().poll(cx).map(Ok),
    })
    .await
}

/// Largest head of a response.
const MAX_HEAD: usize = 64 << 10;
/// For the close of a connection, with what it has begun to write.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

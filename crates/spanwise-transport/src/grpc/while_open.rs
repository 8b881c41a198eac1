//! Connecting that ends with the channels that it is for.
//!
//! tonic connects on a task of its own, which ends no earlier than its connection is made or has failed.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::Uri;
use tokio::sync::watch;
use tower_service::Service;

/// The channels are in use while this exists.
#[derive(Debug)]
pub(super) struct Open(watch::Sender<()>);

/// Ends with an [`Open`].
#[derive(Debug, Clone)]
pub(super) struct WhileOpen(watch::Receiver<()>);

impl Open {
    pub(super) fn new() -> Self {
        Self(watch::channel(()).0)
    }

    pub(super) fn watch(&self) -> WhileOpen {
        WhileOpen(self.0.subscribe())
    }
}

impl WhileOpen {
    /// Waits for the end.
    async fn ended(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// A connector whose connecting ends, with its socket, when the channels are dropped.
#[derive(Clone)]
pub(super) struct EndingConnector<C> {
    connector: C,
    open: WhileOpen,
}

impl<C> EndingConnector<C> {
    pub(super) fn new(connector: C, open: WhileOpen) -> Self {
        Self { connector, open }
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

impl<C> Service<Uri> for EndingConnector<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, mut open) = (self.connector.call(uri), self.open.clone());
        Box::pin(async move {
            let (mut connecting, mut ended) = (pin!(connecting), pin!(open.ended()));
            poll_fn(|cx| match connecting.as_mut().poll(cx) {
                Poll::Ready(connected) => Poll::Ready(connected.map_err(Into::into)),
                Poll::Pending => ended.as_mut().poll(cx).map(|()| Err(Dropped.into())),
            })
            .await
        })
    }
}

/// No request waits for this error.
#[derive(Debug)]
struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transport was dropped")
    }
}

impl Error for Dropped {}

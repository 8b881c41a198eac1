//! The connector as a `tower` service, through which tonic connects.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use tower_service::Service;

use super::{ConnectError, Connector, Stream};
use crate::tcp::HyperIo;

impl Service<Uri> for Connector {
    type Response = HyperIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    /// Connects to the connector's endpoint, whatever the argument is: the channel has one target.
    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect().await.map(HyperIo::new) })
    }
}

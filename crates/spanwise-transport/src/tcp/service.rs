//! The connector as a `tower` service, through which tonic connects.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use tower_service::Service;

use super::{ConnectProblem, Connector, HyperIo, SigpipeFreeStream};

impl Service<Uri> for Connector {
    type Response = HyperIo<SigpipeFreeStream>;
    type Error = ConnectProblem;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let (host, port) = super::host_and_port(&uri);
            connector.connect(host, port).await.map(HyperIo::new)
        })
    }
}

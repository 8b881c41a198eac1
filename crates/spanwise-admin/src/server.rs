//! [`Server`]: accepts connections, a bounded number at once.

use crate::connection;
use crate::error::AdminError;
use crate::router::Router;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// A bound socket, and the router of its requests.
pub(crate) struct Server<S: 'static> {
    listener: TcpListener,
    address: SocketAddr,
    router: Arc<Router<S>>,
}

impl<S: Send + Sync + 'static> Server<S> {
    /// Binds `address`.
    pub(crate) fn bind(address: SocketAddr, router: Router<S>) -> Result<Self, AdminError> {
        let bind = || -> io::Result<_> {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        };
        let (listener, bound) = bind().map_err(|source| AdminError::Bind { address, source })?;
        Ok(Self { listener, address: bound, router: Arc::new(router) })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stopped` is complete. Then it closes the socket and every connection.
    pub(crate) async fn run(self, stopped: impl Future<Output = ()>) {
        let Ok(listener) = tokio::net::TcpListener::from_std(self.listener) else { return };
        let mut serving = pin!(serve(listener, self.router));
        let mut stopped = pin!(stopped);
        poll_fn(|cx| match stopped.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => serving.as_mut().poll(cx),
        })
        .await;
    }
}

async fn serve<S: Send + Sync + 'static>(
    listener: tokio::net::TcpListener,
    router: Arc<Router<S>>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Its drop aborts the connections.
    let mut connections = JoinSet::new();
    loop {
        // Further clients wait in the socket's backlog.
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let _best_effort = stream.set_nodelay(true);
                let router = router.clone();
                connections.spawn(async move {
                    connection::serve(stream, router).await;
                    drop(slot);
                });
            }
            // The process has no descriptor left, or the client has closed the connection already.
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN_AFTER).await,
        }
    }
}

/// Connections at once.
pub(crate) const MAX_CONNECTIONS: usize = 16;
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

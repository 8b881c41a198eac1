//! [`AdminEndpoint`]: the running endpoint.

use crate::error::AdminError;
use crate::router::Router;
use crate::server::Server;
use spanwise_sdk::opentelemetry::Context;
use spanwise_worker::Worker;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// A running HTTP endpoint, until it is dropped or [shut down](Self::shutdown).
///
/// It has a thread of its own, `spanwise-admin`, and needs no runtime of the program. It reads snapshots: no request changes anything.
///
/// A child that the process forks serves nothing: it has no thread of the endpoint. It inherits the socket until it calls `exec`, so
/// that the port stays taken while the child lives.
#[must_use = "dropping the endpoint ends it"]
pub struct AdminEndpoint {
    address: SocketAddr,
    worker: Worker,
    stop: Arc<AtomicBool>,
}

impl AdminEndpoint {
    /// Binds `address` and starts the thread that serves the routes of `router`.
    ///
    /// # Errors
    /// Another process has the port, or the system refuses a thread.
    #[doc(hidden)]
    pub fn start<S: Send + Sync + 'static>(
        address: SocketAddr,
        router: Router<S>,
    ) -> Result<Self, AdminError> {
        let server = Server::bind(address, router)?;
        let address = server.local_addr();
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = stop.clone();
        let worker = Worker::builder("spanwise-admin")
            .with_stack_size(STACK_BYTES)
            .with_on_thread_start(Context::enter_telemetry_suppressed_scope)
            .spawn(move |mut notified| async move {
                let stopped = async move {
                    // ORDER: Relaxed: the flag publishes no other data.
                    while !is_stopped.load(Relaxed) {
                        notified.wait_until(far_future()).await;
                    }
                };
                server.run(stopped).await;
            })
            .map_err(AdminError::Thread)?;
        Ok(Self { address, worker, stop })
    }

    /// The address that the endpoint listens at, with the port that the system chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Closes the socket and all connections, and ends the thread. Waits for at most a second. A drop does the same.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for AdminEndpoint {
    fn drop(&mut self) {
        if self.worker.is_forked_child() {
            return;
        }
        self.stop.store(true, Relaxed);
        self.worker.notify();
        // The thread ends later if a description of a user's sampler blocks it.
        let _ended = self.worker.join_timeout(JOIN);
    }
}

impl fmt::Debug for AdminEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminEndpoint").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A time that does not come.
fn far_future() -> std::time::Instant {
    spanwise_worker::deadline(std::time::Instant::now(), Duration::from_secs(86_400))
}

/// Touched pages alone take memory.
const STACK_BYTES: usize = 512 << 10;
const JOIN: Duration = Duration::from_secs(1);

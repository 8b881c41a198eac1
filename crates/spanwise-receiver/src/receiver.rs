//! A receiver on its own thread.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use crate::accept::accept;
use crate::answer::{Answer, Export, Handler};
use crate::body::FOREVER;
use crate::collected::Collected;
use crate::error::StartError;
use crate::limits::Limits;
use crate::service::Server;
use crate::stats::Stats;

/// A running OTLP server: HTTP/protobuf and gRPC on one port.
///
/// Runs on a thread and a runtime of its own, so it can be started, asked and stopped from
/// anywhere, inside any runtime or none. Stops when dropped.
pub struct Receiver {
    address: SocketAddr,
    server: Arc<Server>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread is done.
    done: Mutex<mpsc::Receiver<()>>,
}

impl Receiver {
    /// A receiver to be: on a free port of 127.0.0.1, accepting everything.
    pub fn builder() -> Builder {
        Builder {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            handler: Arc::new(|_| Answer::Accept),
            limits: Limits::default(),
        }
    }

    /// A receiver on a free port of 127.0.0.1 that keeps what it gets, up to 256 MiB.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn collecting() -> Result<(Self, Collected), StartError> {
        let collected = Collected::new(256 << 20);
        let receiver = Self::builder().with_handler(collected.handler()).start()?;
        Ok((receiver, collected))
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://address:port`, for clients on this machine; also what gRPC clients connect to.
    pub fn http_endpoint(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// What it has seen so far.
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// Stops listening, lets requests under way finish for
    /// [`shutdown_grace`](Limits::shutdown_grace), and closes what is left. The same as dropping.
    ///
    /// Blocks the calling thread meanwhile; returns even if a handler never does.
    pub fn shutdown(self) {}
}

impl Drop for Receiver {
    fn drop(&mut self) {
        _ = self.stop.send(true);
        let Some(thread) = self.thread.take() else { return };
        // Dropped inside its own handler, it cannot wait for itself.
        if thread.thread().id() == thread::current().id() {
            return;
        }
        let patience = self.server.limits.shutdown_grace.min(FOREVER) + PATIENCE;
        let done = self.done.get_mut().unwrap_or_else(PoisonError::into_inner);
        if done.recv_timeout(patience) != Err(RecvTimeoutError::Timeout) {
            _ = thread.join();
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("address", &self.address)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Sets up a [`Receiver`].
pub struct Builder {
    address: SocketAddr,
    handler: Arc<Handler>,
    limits: Limits,
}

impl Builder {
    /// Listens there instead of on a free port of 127.0.0.1. There is no authentication and no
    /// TLS: an address others can reach is open to them.
    pub fn with_address(mut self, address: impl Into<SocketAddr>) -> Self {
        self.address = address.into();
        self
    }

    /// Asks `handler` about every export that is whole and well framed.
    ///
    /// It runs on the receiver's only thread: while it does, nothing else is served. To answer
    /// late, return [`Answer::After`].
    pub fn with_handler(
        mut self,
        handler: impl Fn(Export) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.handler = Arc::new(handler);
        self
    }

    /// Holds clients to `limits` instead of the defaults.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts listening. Connections are accepted when this returns.
    ///
    /// # Errors
    /// [`StartError`]: the address, the thread or the runtime could not be had.
    pub fn start(self) -> Result<Receiver, StartError> {
        let bind = |source| StartError::Bind { address: self.address, source };
        let listener = TcpListener::bind(self.address).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let server = Arc::new(Server::new(self.limits, self.handler));
        let (stop, stopping) = watch::channel(false);
        let (ready, started) = mpsc::sync_channel(1);
        let (running, done) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("spanwise-receiver".to_owned())
            .spawn({
                let server = Arc::clone(&server);
                move || {
                    run(listener, server, stopping, &ready);
                    drop::<mpsc::Sender<()>>(running);
                }
            })
            .map_err(StartError::Thread)?;
        match started.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(StartError::Runtime(error)),
            Err(_) => return Err(StartError::Runtime(std::io::ErrorKind::Other.into())),
        }
        Ok(Receiver { address, server, stop, thread: Some(thread), done: Mutex::new(done) })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("address", &self.address)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The life of the thread. The runtime is made and dropped here, never where a caller is.
fn run(
    listener: TcpListener,
    server: Arc<Server>,
    stopping: watch::Receiver<bool>,
    ready: &mpsc::SyncSender<std::io::Result<()>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            _ = ready.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                _ = ready.send(Ok(()));
                accept(listener, server, stopping).await;
            }
            Err(error) => _ = ready.send(Err(error)),
        }
    });
}

/// What the thread gets beyond the grace of its requests.
const PATIENCE: Duration = Duration::from_secs(1);

//! A receiver on its own thread.

use std::fmt;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener};
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;
use tokio::sync::watch;

use crate::accept::accept;
use crate::answer::{Answer, Export, Handler};
use crate::collected::Collected;
use crate::error::StartError;
use crate::limits::{FOREVER, Limits};
use crate::service::Server;
use crate::stats::Stats;
use crate::thread::{ThreadRole, belongs_to, prepare, suppress_server_tracing};

/// A running OTLP server: HTTP/protobuf and gRPC on one port.
///
/// It runs on a thread and a runtime of its own, so it can be started, queried and stopped from
/// anywhere, inside any runtime or none.
///
/// Dropping it stops it without waiting: when the drop returns, the receiver accepts no connection and
/// no request, and open requests have [`shutdown_timeout`](Limits::with_shutdown_timeout) to finish.
///
/// In a forked child, the copy neither serves nor waits. The descriptors that the child inherits close
/// when it exits or executes another program.
pub struct Receiver {
    address: SocketAddr,
    server: Arc<Server>,
    running: Option<Running>,
}

/// The running thread and its socket.
struct Running {
    /// The process of the thread.
    process: u32,
    /// The listening socket of the thread, for closing it from here.
    listener: TcpListener,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    /// Disconnected when the thread ends.
    done: Mutex<mpsc::Receiver<()>>,
}

impl Running {
    /// Stops accepting connections and requests; returns whether there is a thread to wait for.
    fn stop(&self) -> bool {
        if self.process != process::id() {
            return false;
        }
        // On systems other than Linux this may have no effect; the thread closes the socket too.
        _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        _ = self.stop.send(true);
        true
    }
}

impl Receiver {
    /// A builder for a receiver that listens on a free port of 127.0.0.1 and accepts every export.
    pub fn builder() -> ReceiverBuilder {
        ReceiverBuilder {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            handler: Handler::Inline(Box::new(|_| Answer::Accept)),
            limits: Limits::default(),
        }
    }

    /// Starts a receiver on a free port of 127.0.0.1 that stores its exports, up to 256 MiB.
    ///
    /// # Errors
    /// As [`ReceiverBuilder::start`].
    pub fn collecting() -> Result<(Self, Collected), StartError> {
        let collected = Collected::new(256 << 20);
        let handler = Handler::Inline(Box::new(collected.handler()));
        let receiver = ReceiverBuilder { handler, ..Self::builder() }.start()?;
        Ok((receiver, collected))
    }

    /// The listening address, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://address:port`, for HTTP and gRPC clients on this machine.
    pub fn http_endpoint(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// The counters of the receiver so far.
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// Stops listening, gives open requests the
    /// [`shutdown_timeout`](Limits::with_shutdown_timeout) to finish, and closes all connections.
    ///
    /// Blocks the calling thread meanwhile, at most a second longer than this timeout; a handler
    /// that never returns retains its thread. From inside the handler it does not wait.
    pub fn shutdown(mut self) {
        let Some(running) = self.running.take() else { return };
        if !running.stop() {
            // A thread that was not forked may hold its locks.
            mem::forget(running);
            return;
        }
        if belongs_to(id_of(&self.server)) {
            return;
        }
        let timeout = self.server.limits.shutdown_timeout.min(FOREVER) + THREAD_TIMEOUT;
        let done = running.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        if done.recv_timeout(timeout) != Err(RecvTimeoutError::Timeout) {
            _ = running.thread.join();
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if !running.stop() {
            // A thread that was not forked may hold its locks.
            mem::forget(running);
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

/// Builder of a [`Receiver`].
pub struct ReceiverBuilder {
    address: SocketAddr,
    handler: Handler,
    limits: Limits,
}

impl ReceiverBuilder {
    /// Listens on `address` instead of a free port of 127.0.0.1. There is no authentication and no
    /// TLS: every client that can reach the address can export to it.
    pub fn with_address(mut self, address: impl Into<SocketAddr>) -> Self {
        self.address = address.into();
        self
    }

    /// Calls `handler` for every export that is complete and well framed.
    ///
    /// The handler runs on a thread of its own, one call at a time: while it blocks, other exports
    /// wait for it and count as memory, and the receiver serves everything else. For a delayed
    /// response, return [`Answer::After`]. A handler that panics rejects its export with a 500. It
    /// may drop or shut down the receiver, which does not wait then.
    pub fn with_handler(
        mut self,
        handler: impl Fn(Export) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.handler = Handler::Blocking(Arc::new(handler));
        self
    }

    /// Sets the limits instead of their defaults.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts the receiver. It accepts connections when this returns.
    ///
    /// # Errors
    /// [`StartError`]: a limit is out of its range, or binding the address, spawning the thread
    /// or building the runtime failed.
    pub fn start(self) -> Result<Receiver, StartError> {
        self.limits.check()?;
        let bind = |source| StartError::Bind { address: self.address, source };
        let listener = TcpListener::bind(self.address).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let listening = listener.try_clone().map_err(bind)?;
        let server = Arc::new(Server::new(self.limits, self.handler));
        let (stop, stopping) = watch::channel(false);
        let (ready, started) = mpsc::sync_channel(1);
        let (running, done) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("spanwise-receiver".to_owned())
            .spawn({
                let server = Arc::clone(&server);
                move || {
                    run(listening, server, stopping, &ready);
                    drop::<mpsc::Sender<()>>(running);
                }
            })
            .map_err(StartError::Thread)?;
        match started.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(StartError::Runtime(error)),
            Err(_) => return Err(StartError::Runtime(std::io::ErrorKind::Other.into())),
        }
        let (process, done) = (process::id(), Mutex::new(done));
        let running = Some(Running { process, listener, stop, thread, done });
        Ok(Receiver { address, server, running })
    }
}

impl fmt::Debug for ReceiverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverBuilder")
            .field("address", &self.address)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The main function of the thread, which builds and drops the runtime, so that no caller does.
fn run(
    listener: TcpListener,
    server: Arc<Server>,
    stopping: watch::Receiver<bool>,
    ready: &mpsc::SyncSender<std::io::Result<()>>,
) {
    let owner = id_of(&server);
    prepare(ThreadRole::Server, owner);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("spanwise-handler")
        .max_blocking_threads(1)
        .on_thread_start(move || prepare(ThreadRole::Handler, owner))
        .on_thread_unpark(suppress_server_tracing)
        .build();
    let runtime = match runtime {
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
    // A handler may never return.
    runtime.shutdown_timeout(HANDLER_TIMEOUT);
}

/// An id of the receiver, unique while it exists.
fn id_of(server: &Arc<Server>) -> usize {
    Arc::as_ptr(server).addr()
}

/// Time for the thread to end, beyond the shutdown timeout of its requests.
const THREAD_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for a handler to return, as a part of the above.
const HANDLER_TIMEOUT: Duration = Duration::from_millis(500);

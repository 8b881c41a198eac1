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
use crate::thread::{ThreadRole, belongs_to, prepare, stay_untraced};

/// A running OTLP server: HTTP/protobuf and gRPC on one port.
///
/// Runs on a thread and a runtime of its own, so it can be started, asked and stopped from
/// anywhere, inside any runtime or none.
///
/// Dropping it stops it without waiting: when the drop returns, nothing new is accepted or
/// answered, and requests under way have [`shutdown_timeout`](Limits::shutdown_timeout) to finish.
///
/// A forked child has a copy that does nothing: it neither serves nor waits. The descriptors that
/// it inherits close when it ends or executes another program.
pub struct Receiver {
    address: SocketAddr,
    server: Arc<Server>,
    running: Option<Running>,
}

/// What has to be stopped.
struct Running {
    /// The process that the thread is in.
    process: u32,
    /// The socket that the thread listens on, to close it from here.
    listener: TcpListener,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    /// Disconnected when the thread is done.
    done: Mutex<mpsc::Receiver<()>>,
}

impl Running {
    /// Stops accepting and answering; tells whether there is a thread to wait for.
    fn stop(&self) -> bool {
        if self.process != process::id() {
            return false;
        }
        // Elsewhere than on Linux this may do nothing; the thread closes it too.
        _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        _ = self.stop.send(true);
        true
    }
}

impl Receiver {
    /// A receiver to be: on a free port of 127.0.0.1, accepting everything.
    pub fn builder() -> ReceiverBuilder {
        ReceiverBuilder {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            handler: Handler::Quick(Box::new(|_| Answer::Accept)),
            limits: Limits::default(),
        }
    }

    /// A receiver on a free port of 127.0.0.1 that keeps what it gets, up to 256 MiB.
    ///
    /// # Errors
    /// As [`ReceiverBuilder::start`].
    pub fn collecting() -> Result<(Self, Collected), StartError> {
        let collected = Collected::new(256 << 20);
        let handler = Handler::Quick(Box::new(collected.handler()));
        let receiver = ReceiverBuilder { handler, ..Self::builder() }.start()?;
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
    /// [`shutdown_timeout`](Limits::shutdown_timeout), and closes what is left.
    ///
    /// Blocks the calling thread meanwhile, at most a second longer than the grace; a handler
    /// that never returns keeps its thread. From inside the handler it does not wait.
    pub fn shutdown(mut self) {
        let Some(running) = self.running.take() else { return };
        if !running.stop() {
            // Its locks may be held by a thread that was not forked.
            mem::forget(running);
            return;
        }
        if belongs_to(number(&self.server)) {
            return;
        }
        let patience = self.server.limits.shutdown_timeout.min(FOREVER) + PATIENCE;
        let done = running.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        if done.recv_timeout(patience) != Err(RecvTimeoutError::Timeout) {
            _ = running.thread.join();
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if !running.stop() {
            // Its locks may be held by a thread that was not forked.
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

/// Sets up a [`Receiver`].
pub struct ReceiverBuilder {
    address: SocketAddr,
    handler: Handler,
    limits: Limits,
}

impl ReceiverBuilder {
    /// Listens there instead of on a free port of 127.0.0.1. There is no authentication and no
    /// TLS: an address others can reach is open to them.
    pub fn with_address(mut self, address: impl Into<SocketAddr>) -> Self {
        self.address = address.into();
        self
    }

    /// Asks `handler` about every export that is whole and well framed.
    ///
    /// It runs on a thread of its own, one call at a time: while it blocks, other exports wait
    /// for it and count as memory, and everything else goes on. To answer late, return
    /// [`Answer::After`]. One that panics refuses its export with a 500. Dropping the receiver or
    /// shutting it down from inside is allowed, and does not wait.
    pub fn with_handler(
        mut self,
        handler: impl Fn(Export) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.handler = Handler::Users(Arc::new(handler));
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

/// The life of the thread. The runtime is made and dropped here, never where a caller is.
fn run(
    listener: TcpListener,
    server: Arc<Server>,
    stopping: watch::Receiver<bool>,
    ready: &mpsc::SyncSender<std::io::Result<()>>,
) {
    let owner = number(&server);
    prepare(ThreadRole::Server, owner);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("spanwise-handler")
        .max_blocking_threads(1)
        .on_thread_start(move || prepare(ThreadRole::Handler, owner))
        .on_thread_unpark(stay_untraced)
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
    runtime.shutdown_timeout(HANDLER_PATIENCE);
}

/// What tells a receiver from others for as long as it lives.
fn number(server: &Arc<Server>) -> usize {
    Arc::as_ptr(server).addr()
}

/// What the thread gets beyond the grace of its requests.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a handler gets to return, of the above.
const HANDLER_PATIENCE: Duration = Duration::from_millis(500);

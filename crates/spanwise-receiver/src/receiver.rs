//! A receiver on its own thread.

use std::fmt;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use crate::accept::accept;
use crate::answer::{Answer, Export, Handler, Interceptor};
use crate::collected::Collected;
use crate::connection::Stop;
use crate::error::StartError;
use crate::headers::Headers;
use crate::limits::{FOREVER, Limits};
use crate::listener::{Address, Handle, Listening};
use crate::service::Server;
use crate::stats::Stats;
use crate::stats_reader::StatsReader;
use crate::thread::{ThreadRole, belongs_to, prepare, suppress_server_tracing};
#[cfg(feature = "tls")]
use crate::tls::TlsSettings;
#[cfg(feature = "tls")]
use crate::tls_renewal::TlsRenewal;

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
    unix_path: Option<PathBuf>,
    server: Arc<Server>,
    running: Option<Running>,
}

/// The running thread and its socket.
struct Running {
    /// The process of the thread.
    process: u32,
    /// The listening socket of the thread, for closing it from here.
    listener: Listening,
    /// The time that open requests have, once the receiver stops.
    stop: watch::Sender<Option<Duration>>,
    thread: JoinHandle<()>,
    /// Disconnected when the thread ends.
    done: Mutex<mpsc::Receiver<()>>,
}

impl Running {
    /// Stops accepting connections and requests; returns whether there is a thread to wait for.
    fn stop(&self, timeout: Duration) -> bool {
        if self.process != process::id() {
            return false;
        }
        self.listener.close();
        _ = self.stop.send(Some(timeout));
        true
    }
}

impl Receiver {
    /// A builder for a receiver that listens on a free port of 127.0.0.1 and accepts every export.
    pub fn builder() -> ReceiverBuilder {
        ReceiverBuilder {
            address: Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            #[cfg(feature = "tls")]
            tls: TlsSettings::default(),
            handler: Handler::Inline(Box::new(|_| Answer::Accept)),
            interceptor: None,
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

    /// The listening address, with the port that the system chose; `0.0.0.0:0` if the receiver listens
    /// on a Unix socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The path of the Unix socket that the receiver listens on, if it does.
    pub fn unix_path(&self) -> Option<&Path> {
        self.unix_path.as_deref()
    }

    /// `http://address:port`, or `https://address:port` with TLS, or `unix:/path`: the endpoint for HTTP
    /// and gRPC clients on this machine.
    pub fn http_endpoint(&self) -> String {
        if let Some(path) = &self.unix_path {
            return format!("unix:{}", path.display());
        }
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let scheme = if self.server.is_tls() { "https" } else { "http" };
        format!("{scheme}://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// The counters of the receiver so far.
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// A reader of the counters for other threads, which may outlive the receiver.
    pub fn stats_reader(&self) -> StatsReader {
        StatsReader::new(Arc::clone(&self.server))
    }

    /// Checks a renewed certificate chain with its key, and renewed authorities of client certificates if the receiver requires them, all in
    /// PEM: see [`TlsRenewal`].
    ///
    /// # Errors
    /// [`StartError::Tls`] if one of them cannot be used, the receiver speaks plain text, or `client_ca` is there and the receiver requires no
    /// client certificates, or the reverse. [`StartError::Limit`] if the memory is too small for sessions. The receiver goes on as before.
    #[cfg(feature = "tls")]
    pub fn renew_tls_pem(
        &self,
        certificates: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
        client_ca: Option<Vec<u8>>,
    ) -> Result<TlsRenewal, StartError> {
        let own = Some((certificates.into(), key.into()));
        TlsRenewal::new(&self.server, &TlsSettings { own, client_ca })
    }

    /// Stops listening, gives open requests the
    /// [`shutdown_timeout`](Limits::with_shutdown_timeout) to finish, and closes all connections.
    ///
    /// Blocks the calling thread meanwhile, at most a second longer than this timeout; a handler
    /// that never returns retains its thread. From inside the handler it does not wait.
    pub fn shutdown(self) {
        let timeout = self.server.limits.shutdown_timeout;
        self.shutdown_within(timeout);
    }

    /// As [`shutdown`](Self::shutdown), with a time for open requests that is not known before the end.
    pub fn shutdown_within(mut self, timeout: Duration) {
        let Some(running) = self.running.take() else { return };
        if !running.stop(timeout) {
            // A thread that was not forked may hold its locks.
            mem::forget(running);
            return;
        }
        if belongs_to(id_of(&self.server)) {
            return;
        }
        let timeout = timeout.min(FOREVER) + THREAD_TIMEOUT;
        let done = running.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        if done.recv_timeout(timeout) != Err(RecvTimeoutError::Timeout) {
            _ = running.thread.join();
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if !running.stop(self.server.limits.shutdown_timeout) {
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
    address: Address,
    #[cfg(feature = "tls")]
    tls: TlsSettings,
    handler: Handler,
    interceptor: Option<Interceptor>,
    limits: Limits,
}

impl ReceiverBuilder {
    /// Listens on `address` instead of a free port of 127.0.0.1. Without
    /// client certificates (feature `tls`, `with_client_ca_pem`) every client that can reach the address can
    /// export to it.
    pub fn with_address(mut self, address: impl Into<SocketAddr>) -> Self {
        self.address = Address::Tcp(address.into());
        self
    }

    /// Listens on a Unix socket at `path` instead of a TCP port. A process that may write to its file can
    /// export to it; on some systems the permissions of its folder decide instead.
    ///
    /// [`start`](Self::start) makes the file, and replaces a socket there that nothing listens on; the end
    /// of the receiver removes it. On a system without Unix sockets, `start` is an error.
    pub fn with_unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.address = Address::Unix(path.into());
        self
    }

    /// Serves TLS instead of plain text: the certificate with its chain, and its private key, both in PEM.
    /// The key is PKCS#8, PKCS#1 or SEC1 and not encrypted; it is never printed.
    ///
    /// The handshake has [`header_timeout`](Limits::with_header_timeout), and a session counts as memory
    /// ([`memory_bytes`](Limits::with_memory_bytes)). Sessions are not resumed.
    #[cfg(feature = "tls")]
    pub fn with_tls_pem(
        mut self,
        certificates: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls.own = Some((certificates.into(), key.into()));
        self
    }

    /// Accepts only clients with a certificate that one of these authorities issued, in PEM (mutual TLS).
    /// Needs [`with_tls_pem`](Self::with_tls_pem). Revocation is not checked.
    #[cfg(feature = "tls")]
    pub fn with_client_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.client_ca = Some(pem.into());
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

    /// As [`with_handler`](Self::with_handler), with a handler that runs on the thread of the receiver's connections: no export waits
    /// for another thread, and none is charged for more than its body.
    ///
    /// While the handler runs, the receiver serves no other request: it returns within microseconds, takes no lock that a slow thread
    /// holds, and does no I/O. The memory of the body is charged to the receiver until the handler returns; a handler that retains
    /// [`Export::body`], which may be a slice of a larger buffer, bounds that memory itself. A handler that panics rejects its export
    /// with a 500.
    pub fn with_inline_handler(
        mut self,
        handler: impl Fn(Export) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.handler = Handler::Inline(Box::new(handler));
        self
    }

    /// Calls `interceptor` when the headers of an export request have arrived, before its body is read. An error is the answer, mostly an
    /// [`Answer::Refuse`]: a client without credentials, or a server without space for more. The bytes of the body are discarded then,
    /// for at most two seconds.
    ///
    /// The interceptor has the duties of an [inline handler](Self::with_inline_handler).
    pub fn with_interceptor(
        mut self,
        interceptor: impl Fn(&Headers) -> Result<(), Answer> + Send + Sync + 'static,
    ) -> Self {
        self.interceptor = Some(Box::new(interceptor));
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
    /// [`StartError`]: a limit is out of its range, a certificate or a key cannot be used, or binding the
    /// address, spawning the thread or building the runtime failed. Nothing is left running, and no file.
    pub fn start(self) -> Result<Receiver, StartError> {
        self.limits.check()?;
        #[cfg(feature = "tls")]
        let tls = self.tls.server()?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &tls {
            self.limits.check_session(tls.handshake_bytes())?;
        }
        let listener = self.address.bind()?;
        let described = listener.address().and_then(|address| Ok((address, listener.handle()?)));
        let (address, handle) = described.map_err(|error| {
            listener.close();
            StartError::Runtime(error)
        })?;
        let unix_path = match self.address {
            Address::Tcp(_) => None,
            Address::Unix(path) => Some(path),
        };
        let server = Arc::new(Server::new(
            self.limits,
            (self.handler, self.interceptor),
            #[cfg(feature = "tls")]
            tls,
        ));
        let (stop, stopping) = watch::channel(None);
        let (ready, started) = mpsc::sync_channel(1);
        let (running, done) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("spanwise-receiver".to_owned())
            .spawn({
                let server = Arc::clone(&server);
                move || {
                    run(handle, server, stopping, &ready);
                    drop::<mpsc::Sender<()>>(running);
                }
            })
            .map_err(|error| {
                listener.close();
                StartError::Thread(error)
            })?;
        let started = started.recv().unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
        if let Err(error) = started {
            listener.close();
            return Err(StartError::Runtime(error));
        }
        let (process, done) = (process::id(), Mutex::new(done));
        let running = Some(Running { process, listener, stop, thread, done });
        Ok(Receiver { address, unix_path, server, running })
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
    handle: Handle,
    server: Arc<Server>,
    stopping: Stop,
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
        match handle.into_listener() {
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

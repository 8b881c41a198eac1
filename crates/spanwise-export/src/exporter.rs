//! The handle on a running exporter: flush and shutdown.

use crate::dynamic_batch_config::DynamicBatchConfig;
use crate::dynamic_transport::DynamicTransport;
use crate::error::{BuildError, FlushError};
use crate::inbox::{Command, CommandKind, Inbox};
use crate::queue::SpanQueue;
use crate::resource::SharedResource;
use crate::scopes::ScopeTable;
use crate::thread::SharedQueue;
use spanwise_ledger::{Ledger, Snapshot};
use spanwise_wire::SpanMeta;
use spanwise_wire::write::FinishedSpan;
use spanwise_worker::{Worker, deadline, oneshot};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// A running exporter: it drains finished spans from a [`SpanQueue`], sends them in requests, and
/// books the outcome of each.
///
/// Its drop starts a shutdown within the configured timeout and returns at once. Call
/// [`shutdown_until`](Self::shutdown_until) to wait for the last spans.
pub struct Exporter {
    state: ExporterState,
    worker: Worker,
    is_shut_down: AtomicBool,
    shutdown_timeout: Duration,
}

/// The state that an exporter shares with its thread.
pub(crate) struct ExporterState {
    pub(crate) queue: SharedQueue,
    pub(crate) scopes: ScopeTable,
    pub(crate) resource: SharedResource,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) batching: DynamicBatchConfig,
    pub(crate) transport: DynamicTransport,
    pub(crate) destinations: Vec<(Arc<str>, Ledger)>,
}

impl Exporter {
    pub(crate) fn new(state: ExporterState, worker: Worker, shutdown_timeout: Duration) -> Self {
        Self { state, worker, is_shut_down: AtomicBool::new(false), shutdown_timeout }
    }

    /// Counts a finished span as created and pushes it, or drops it and books the reason.
    ///
    /// For spans that nothing has counted before. A program that counts a span at its start pushes to
    /// the [queue](Self::queue).
    pub fn push(&self, span: &FinishedSpan<'_>, meta: SpanMeta) {
        let queue = self.queue();
        queue.ledger().started();
        if !queue.try_push_local(span, || meta) {
            queue.push(span, meta);
        }
    }

    /// The queue that threads push finished spans to.
    pub fn queue(&self) -> &SpanQueue {
        (*self.state.queue).as_ref()
    }

    /// The instrumentation scopes of the spans.
    pub fn scopes(&self) -> &ScopeTable {
        &self.state.scopes
    }

    /// The settings of batching, which can be replaced while the exporter runs.
    pub fn batching(&self) -> &DynamicBatchConfig {
        &self.state.batching
    }

    /// The transport of the first destination, which can be replaced while the exporter runs.
    pub fn transport(&self) -> &DynamicTransport {
        &self.state.transport
    }

    /// Replaces the resource of all requests that are made from now on, and so of spans that are waiting:
    /// `encoded` is as [`with_resource`](crate::ExporterBuilder::with_resource) takes it.
    ///
    /// # Errors
    /// It has more bytes than [`with_max_resource_bytes`](crate::ExporterBuilder::with_max_resource_bytes) or
    /// the first resource; the resource stays.
    pub fn set_resource(&self, encoded: impl Into<Vec<u8>>) -> Result<(), BuildError> {
        let encoded = encoded.into();
        if encoded.len() > self.state.resource.max_bytes() {
            return Err(BuildError::OutOfRange {
                setting: "set_resource",
                value: encoded.len().to_string(),
                accepted: format!("0 to {} bytes", self.state.resource.max_bytes()),
            });
        }
        self.state.resource.set(encoded);
        Ok(())
    }

    /// The encoded resource of the requests that are made from now on.
    pub fn resource(&self) -> Arc<[u8]> {
        self.state.resource.get()
    }

    /// Name and ledger of each destination, the first one's first.
    ///
    /// The first ledger counts every span. Each of the others counts those that left the queue: all that the
    /// first one counts as created, but for those that were sampled out, that the queue refused or dropped,
    /// and that have not been drained yet.
    pub fn destinations(&self) -> impl Iterator<Item = (&str, &Ledger)> {
        self.state.destinations.iter().map(|(name, ledger)| (&**name, ledger))
    }

    /// The account of all spans.
    pub fn snapshot(&self) -> Snapshot {
        self.queue().ledger().snapshot()
    }

    /// [`flush_until`](Self::flush_until) `timeout` from now.
    ///
    /// # Errors
    /// See [`FlushError`].
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), FlushError> {
        self.flush_until(deadline(Instant::now(), timeout))
    }

    /// Sends all spans that were pushed before this call, and waits until each has its outcome, at most
    /// until `deadline`.
    ///
    /// Works from any thread, inside or outside of any async runtime. Returns at most 50 ms after `deadline`,
    /// also while the exporter's thread is blocked.
    ///
    /// # Errors
    /// See [`FlushError`].
    pub fn flush_until(&self, deadline: Instant) -> Result<(), FlushError> {
        if self.is_shut_down.load(SeqCst) {
            return Err(FlushError::AlreadyShutdown);
        }
        self.run(CommandKind::Flush, deadline)
    }

    /// Starts a flush that has until `deadline`, and returns at once.
    pub fn start_flush(&self, deadline: Instant) {
        self.send(CommandKind::Flush, deadline);
    }

    /// [`flush_until`](Self::flush_until) for a task of any runtime, which it does not block. A flush that
    /// is dropped goes on without a receiver of its result.
    ///
    /// The exporter's thread replies by `deadline`. The future has no timer of its own, which would need a
    /// certain runtime: while a sink, an observer or a hold-back policy blocks that thread, it stays pending. A
    /// caller with such code wraps it in the timeout of its runtime.
    ///
    /// # Errors
    /// See [`FlushError`].
    pub async fn flush_async(&self, deadline: Instant) -> Result<(), FlushError> {
        if self.is_shut_down.load(SeqCst) {
            return Err(FlushError::AlreadyShutdown);
        }
        let reply = self.send_command(CommandKind::Flush, deadline)?;
        // The thread replies at the deadline.
        match reply.await {
            Some(true) => Ok(()),
            Some(false) => Err(FlushError::Timeout),
            None => Err(self.ended()),
        }
    }

    /// [`shutdown_until`](Self::shutdown_until) `timeout` from now.
    ///
    /// # Errors
    /// See [`FlushError`]; the exporter is shut down all the same.
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), FlushError> {
        self.shutdown_until(deadline(Instant::now(), timeout))
    }

    /// Refuses spans from now on, sends the remaining ones, and ends the thread, at most until `deadline`.
    ///
    /// Works from any thread, inside or outside of any async runtime. Returns at most 50 ms after `deadline`,
    /// also while the exporter's thread is blocked. Spans that are pushed afterwards are booked as
    /// `after_shutdown`.
    ///
    /// # Errors
    /// See [`FlushError`]; the exporter is shut down all the same.
    pub fn shutdown_until(&self, deadline: Instant) -> Result<(), FlushError> {
        if !self.begin_shutdown() {
            return Err(FlushError::AlreadyShutdown);
        }
        self.run(CommandKind::Shutdown, deadline)
    }

    /// Starts a shutdown that has until `deadline`, and returns at once.
    pub fn start_shutdown(&self, deadline: Instant) {
        if self.begin_shutdown() {
            self.send(CommandKind::Shutdown, deadline);
        }
    }

    /// Waits until the thread has ended, at most until `deadline`. Returns whether it has ended.
    pub fn join_until(&self, deadline: Instant) -> bool {
        self.worker.join_until(deadline)
    }

    fn begin_shutdown(&self) -> bool {
        if self.is_shut_down.swap(true, SeqCst) {
            return false;
        }
        self.queue().close();
        true
    }

    fn run(&self, kind: CommandKind, until: Instant) -> Result<(), FlushError> {
        if self.worker.is_current_thread() {
            self.send(kind, until);
            return Err(FlushError::OnWorkerThread);
        }
        let reply = self.send_command(kind, until)?;
        // The thread replies at the deadline; the grace bounds this call if the thread is stuck.
        match reply.recv_until(deadline(until, GRACE)) {
            Some(true) => Ok(()),
            Some(false) => Err(FlushError::Timeout),
            None if reply.is_closed() => Err(self.ended()),
            None => Err(FlushError::Timeout),
        }
    }

    /// Sends a command, and returns the channel of its reply.
    fn send_command(
        &self,
        kind: CommandKind,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<bool>, FlushError> {
        if self.worker.is_forked_child() {
            return Err(FlushError::WorkerTerminated);
        }
        let (done, reply) = oneshot::channel();
        if !self.state.inbox.send(Command { kind, deadline, done }) {
            return Err(self.ended());
        }
        self.worker.notify();
        Ok(reply)
    }

    /// Sends a command whose reply no thread waits for.
    fn send(&self, kind: CommandKind, deadline: Instant) {
        if self.worker.is_forked_child() {
            return;
        }
        let (done, _unused) = oneshot::channel();
        if self.state.inbox.send(Command { kind, deadline, done }) {
            self.worker.notify();
        }
    }

    /// The thread has ended: by a shutdown, or before one.
    fn ended(&self) -> FlushError {
        match self.queue().is_abandoned() {
            true => FlushError::WorkerTerminated,
            false => FlushError::AlreadyShutdown,
        }
    }
}

impl Drop for Exporter {
    /// Returns at once: the caller may hold a lock that other threads wait for.
    fn drop(&mut self) {
        self.start_shutdown(deadline(Instant::now(), self.shutdown_timeout));
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("queue", self.queue()).finish_non_exhaustive()
    }
}

/// The longest time by which the thread may overrun a deadline before a caller stops waiting for it: 10 ms for cancelled
/// requests, and time to book the spans that are left. The system has the rest of 50 ms to schedule the caller.
const GRACE: Duration = Duration::from_millis(40);

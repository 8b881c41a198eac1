//! The thread of a spool, and the handles of its users.

use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use spanwise_worker::{fork, mask_sigpipe, oneshot};

use super::client::{OpenClient, SpoolClient};
use super::event::SpoolEvent;
use super::queue::{Command, Queue};
use super::run::{run, run_compressor};
use crate::storage::Storage;
use crate::{RecordId, Spool, SpoolError, SpoolStats};

/// A thread that owns a [`Spool`]: it writes, syncs and reads, and no other thread waits for the disk. A
/// second one compresses the next requests meanwhile.
///
/// Dropping it closes the queue; the threads store what is queued and end.
pub struct SpoolThread {
    handle: SpoolHandle,
    ended: oneshot::Receiver<()>,
}

/// Sends commands to a [`SpoolThread`]. No method waits for the disk.
///
/// In a forked child, which has no such thread, every method returns as if the thread had ended.
#[derive(Clone)]
pub struct SpoolHandle {
    queue: Arc<Queue>,
    generation: u32,
}

impl SpoolThread {
    /// Starts the threads `spanwise-spool` and `spanwise-zstd` for an open spool. Requests of at most
    /// `queue_bytes` wait for them; a larger one waits alone.
    ///
    /// The first thread calls `on_event` for each answer, one after the other. The callback should only push to a
    /// queue and notify: while it runs, nothing is stored. A panic of it is caught.
    ///
    /// # Errors
    /// The system has no thread. The spool is closed then.
    pub fn start<S>(
        spool: Spool<S>,
        queue_bytes: usize,
        on_event: impl FnMut(SpoolEvent) + Send + 'static,
    ) -> io::Result<Self>
    where
        S: Storage + 'static,
        S::File: 'static,
    {
        let queue = Queue::new(queue_bytes, spool.stats());
        Self::start_threads(OpenClient::new(spool, on_event), queue)
    }

    /// As [`start`](Self::start), for a spool that the first thread [opens](SpoolClient::open): the caller does not
    /// wait for the disk. Requests are queued meanwhile, and refused while another process has the directory.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn open(client: impl SpoolClient, queue_bytes: usize) -> io::Result<Self> {
        Self::start_threads(client, Queue::new(queue_bytes, SpoolStats::default()))
    }

    fn start_threads(client: impl SpoolClient, queue: Queue) -> io::Result<Self> {
        fork::watch();
        let queue = Arc::new(queue);
        let handle = SpoolHandle { queue: queue.clone(), generation: fork::generation() };
        let (end, ended) = oneshot::channel();
        let (compressor, opened) = mpsc::channel();
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        thread("spanwise-zstd").spawn({
            let queue = queue.clone();
            move || run_compressor(&opened, &queue)
        })?;
        // Without a second thread, the first one ends with the sender of its compressor.
        thread("spanwise-spool").spawn(move || {
            mask_sigpipe();
            // A write beyond the limit of a file's size returns an error; otherwise it ends the process.
            spanwise_worker::__private::mask_sigxfsz();
            run(client, &queue, compressor);
            end.send(());
        })?;
        Ok(Self { handle, ended })
    }

    /// A handle for another thread.
    pub fn handle(&self) -> SpoolHandle {
        self.handle.clone()
    }

    /// Begins a [`shutdown`](Self::shutdown), without waiting for its end.
    pub fn close(&self) {
        if !self.handle.is_inherited() {
            self.handle.queue.close();
        }
    }

    /// Stores what is queued, writes a checkpoint and ends the thread. Returns whether the thread ended
    /// within `timeout`; otherwise it goes on, and its events still arrive.
    pub fn shutdown(&self, timeout: Duration) -> bool {
        if self.handle.is_inherited() {
            return false;
        }
        self.close();
        self.ended.recv_timeout(timeout).is_some() || self.ended.is_closed()
    }
}

impl Drop for SpoolThread {
    fn drop(&mut self) {
        self.close();
    }
}

impl SpoolHandle {
    /// Queues an encoded `ExportTraceServiceRequest` of `spans` spans; [`SpoolEvent::Stored`] with the same
    /// `token` follows once it is synced or refused.
    ///
    /// # Errors
    /// The request, if the queue has no space for it or the thread has ended.
    ///
    /// # Cost
    /// A short lock and two allocations.
    pub fn store<R>(&self, token: u64, request: R, spans: u64) -> Result<(), R>
    where
        R: AsRef<[u8]> + Send + 'static,
    {
        if self.is_inherited() {
            return Err(request);
        }
        self.queue.store(token, request, spans)
    }

    /// Requests the next record; [`SpoolEvent::Read`] follows. Returns `false`, and no event follows, if the
    /// thread has ended.
    pub fn read_next(&self) -> bool {
        self.push(Command::Read)
    }

    /// As [`read_next`](Self::read_next), into the caller's memory: the request is appended to `buffer`, whose
    /// capacity does not grow; [`SpoolEvent::ReadInto`] follows.
    ///
    /// # Errors
    /// The buffer, and no event follows, if the thread has ended.
    pub fn read_into(&self, buffer: Vec<u8>) -> Result<(), Vec<u8>> {
        if self.is_inherited() {
            return Err(buffer);
        }
        match self.queue.push(Command::ReadInto(buffer)) {
            Err(Command::ReadInto(buffer)) => Err(buffer),
            _ => Ok(()),
        }
    }

    /// Reports that a record was delivered; see [`Spool::acknowledge`].
    pub fn acknowledge(&self, id: RecordId) -> bool {
        self.push(Command::Acknowledge(id))
    }

    /// Goes back to the first record that is not acknowledged; see [`Spool::rewind`].
    pub fn rewind(&self) -> bool {
        self.push(Command::Rewind)
    }

    /// The counts of the spool after its last command.
    pub fn stats(&self) -> SpoolStats {
        if self.is_inherited() { SpoolStats::default() } else { self.queue.stats() }
    }

    /// Bytes of requests that are queued or being stored.
    pub fn queued_bytes(&self) -> usize {
        if self.is_inherited() { 0 } else { self.queue.bytes() }
    }

    fn push(&self, command: Command) -> bool {
        !self.is_inherited() && self.queue.push(command).is_ok()
    }

    /// Whether this process is a forked child, which has no thread, and where a copy of the lock may be
    /// locked for ever.
    fn is_inherited(&self) -> bool {
        fork::generation() != self.generation
    }
}

impl SpoolError {
    /// The thread has ended before it stored a request.
    pub(super) fn ended(spans: u64) -> Self {
        let source = io::Error::other("the thread of the spool has ended");
        Self::NotStored { records: 1, spans, source }
    }
}

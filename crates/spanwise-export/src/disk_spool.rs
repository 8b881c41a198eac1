//! A spool in a directory of the local disk, with threads of its own.

mod boot;
mod client;
mod events;

use crate::spool::{RequestSpool, SpoolCommand, SpoolEvent};
use crate::spool_usage::SpoolUsage;
use client::Client;
use events::Events;
use spanwise_ledger::Ledger;
use spanwise_spool::storage::DirectoryStorage;
use spanwise_spool::{SpoolHandle, SpoolSettings, SpoolThread};
use spanwise_transport::FramedRequest;
use spanwise_worker::Notifier;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A [`RequestSpool`] in a directory of the local disk: a [`Spool`](spanwise_spool::Spool) and its boot ledger, on a [`SpoolThread`]. The
/// thread `spanwise-spool` waits for the disk, and `spanwise-zstd` compresses the next requests meanwhile.
///
/// The first thread opens the directory, so that a start after a crash delays nothing. A directory that another process has is tried again
/// each second; one that cannot be used is reported by [`SpoolEvent::Unavailable`]. Requests that arrive together share an `fsync`.
///
/// A forked child has no such thread and never touches the files of its parent. It has the lock of the directory, too, until it ends
/// or executes a program: a process that starts meanwhile waits for it.
///
/// ```no_run
/// use spanwise_export::{DiskSpool, Exporter};
/// use spanwise_ledger::Ledger;
/// use spanwise_transport::Transport;
///
/// let ledger = Ledger::new();
/// let spool = DiskSpool::builder("/var/lib/shop/spans").with_ledger(ledger.clone()).build()?;
/// let transport = Transport::builder().build()?; // to this machine, port 4318
/// let exporter = Exporter::builder(transport).with_ledger(ledger).with_spool(spool).build()?;
/// # drop(exporter);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DiskSpool {
    thread: SpoolThread,
    handle: SpoolHandle,
    events: Arc<Events>,
    max_bytes: u64,
}

/// Settings of a [`DiskSpool`].
#[derive(Debug, Clone)]
#[must_use]
pub struct DiskSpoolBuilder {
    directory: PathBuf,
    settings: SpoolSettings,
    ledger: Option<Ledger>,
}

impl DiskSpool {
    /// A spool in this directory, which its thread creates if necessary. Each process needs one of its own.
    pub fn builder(directory: impl Into<PathBuf>) -> DiskSpoolBuilder {
        DiskSpoolBuilder {
            directory: directory.into(),
            settings: SpoolSettings::default(),
            ledger: None,
        }
    }
}

impl DiskSpoolBuilder {
    /// The most bytes of all files: beyond it, the oldest spans are lost. Default 1 GiB, at least 1 MiB.
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_bytes = bytes;
        self
    }

    /// The age at which stored spans are lost. Default 72 h, at least 1 s.
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.settings.max_age = age;
        self
    }

    /// All settings.
    pub fn with_settings(mut self, settings: SpoolSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The ledger of the exporter's first destination. The boot ledger in the directory repeats its numbers once a second, so that
    /// the next start can report what a crash lost. Default: none, and the next start reports no crash.
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn build(self) -> io::Result<DiskSpool> {
        self.start(None)
    }

    /// As [`build`](Self::build), in a directory that the caller has opened and locked, instead of the builder's: no other process can have
    /// it in between.
    ///
    /// # Errors
    /// As [`build`](Self::build): the directory is unlocked then.
    pub fn build_in(self, directory: DirectoryStorage) -> io::Result<DiskSpool> {
        self.start(Some(directory))
    }

    fn start(self, storage: Option<DirectoryStorage>) -> io::Result<DiskSpool> {
        let Self { directory, settings, ledger } = self;
        let events = Arc::new(Events::default());
        let max_bytes = settings.max_bytes;
        let client = Client::new((directory, storage), settings, ledger, events.clone());
        // Memory of requests is charged to the exporter's budget, which bounds the queue.
        let thread = SpoolThread::open(client, usize::MAX)?;
        let handle = thread.handle();
        Ok(DiskSpool { thread, handle, events, max_bytes })
    }
}

/// The message of a request, without the prefix of gRPC.
struct Message(FramedRequest);

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.0.message()
    }
}

impl RequestSpool for DiskSpool {
    fn submit(&mut self, command: SpoolCommand) {
        let is_accepted = match command {
            SpoolCommand::Store { id, request, spans } => {
                self.handle.store(id, Message(request), spans).is_ok()
            }
            SpoolCommand::Read { buffer } => self.handle.read_into(buffer).is_ok(),
            SpoolCommand::Acknowledge => {
                self.events.take_read().is_none_or(|id| self.handle.acknowledge(id))
            }
            SpoolCommand::Rewind => {
                self.events.take_read();
                self.handle.rewind()
            }
            SpoolCommand::Close(_) => {
                self.events.close();
                self.thread.close();
                true
            }
        };
        // After a close, the last event answers for all.
        if !is_accepted && !self.events.is_closing() {
            self.events.unavailable("the thread of the spool has ended".into());
        }
    }

    fn next_event(&mut self) -> Option<SpoolEvent> {
        self.events.next()
    }

    fn set_notifier(&mut self, notifier: Notifier) {
        self.events.set_notifier(notifier);
    }

    fn usage(&self) -> Option<SpoolUsage> {
        let handle = self.handle.clone();
        Some(SpoolUsage::new(self.max_bytes, move || handle.stats().bytes))
    }
}

impl fmt::Debug for DiskSpool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskSpool").finish_non_exhaustive()
    }
}

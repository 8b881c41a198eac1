//! The user of a spool, on the thread that owns it.

use std::time::Duration;

use super::event::SpoolEvent;
use crate::storage::Storage;
use crate::{Spool, SpoolError, SpoolStats};

/// The user of a spool, for [`SpoolThread::open`](crate::SpoolThread::open): it opens the spool and takes its
/// events.
///
/// All methods run on the thread of the spool, one after the other: while one runs, nothing is stored. Panics of
/// [`event`](Self::event), [`tick`](Self::tick) and [`ended`](Self::ended) are caught; one of
/// [`open`](Self::open) ends the thread.
pub trait SpoolClient: Send + 'static {
    /// The files of the spool.
    type Storage: Storage + 'static;

    /// The interval of [`tick`](Self::tick): 30 s by default, 1 ms at least.
    const TICK_INTERVAL: Duration = Duration::from_secs(30);

    /// Opens the spool. After [`SpoolError::Locked`] it is called again each second, unless the thread was closed.
    ///
    /// # Errors
    /// The spool cannot be opened. Until another call succeeds, requests are refused.
    fn open(&mut self) -> Result<Spool<Self::Storage>, SpoolError>;

    /// Takes an event. It should only push to a queue and notify.
    fn event(&mut self, event: SpoolEvent);

    /// Called once in each [`TICK_INTERVAL`](Self::TICK_INTERVAL) while the spool is open; later while the disk is slow.
    /// It may write to a file of the client's own, which it opens in `storage`: that of the spool, also after the directory was removed
    /// and made again.
    fn tick(&mut self, storage: &mut Self::Storage) {
        let _without_files = storage;
    }

    /// The thread stores nothing more. Called once; later events only answer for what is queued.
    fn ended(&mut self, end: SpoolEnd) {
        let _without_interest = end;
    }
}

/// The reason why the thread of a spool stores nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpoolEnd {
    /// The thread was closed: what was queued is stored, a checkpoint is written, and the directory is still
    /// locked. The counts are the last ones: `spans` is what the next start finds.
    Closed(SpoolStats),
    /// The spool could not be opened, or the thread was closed before it could.
    NotOpened,
    /// A panic.
    Panicked,
}

/// A spool that is open already, and a callback for its events.
pub(super) struct OpenClient<S: Storage, E> {
    spool: Option<Spool<S>>,
    on_event: E,
}

impl<S: Storage, E> OpenClient<S, E> {
    pub(super) fn new(spool: Spool<S>, on_event: E) -> Self {
        Self { spool: Some(spool), on_event }
    }
}

impl<S, E> SpoolClient for OpenClient<S, E>
where
    S: Storage + 'static,
    S::File: 'static,
    E: FnMut(SpoolEvent) + Send + 'static,
{
    type Storage = S;

    fn open(&mut self) -> Result<Spool<S>, SpoolError> {
        self.spool.take().ok_or_else(|| SpoolError::ended(0))
    }

    fn event(&mut self, event: SpoolEvent) {
        (self.on_event)(event);
    }
}

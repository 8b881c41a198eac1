//! [`RemoteSlot`]: remote sampling for the exporter's thread, which runs it.

use crate::remote_sampling::RemoteSampling;
use std::sync::{Mutex, PoisonError};

/// The remote sampling that the exporter's thread takes over at its next turn.
#[derive(Default)]
pub(crate) struct RemoteSlot {
    /// `None`: the thread's own stays. `Some(None)`: it ends.
    next: Mutex<Option<Option<RemoteSampling>>>,
}

impl RemoteSlot {
    /// Replaces the thread's remote sampling; `None` ends it.
    pub(crate) fn set(&self, next: Option<RemoteSampling>) {
        // Dropped after the lock is released.
        let _replaced = self.next.lock().unwrap_or_else(PoisonError::into_inner).replace(next);
    }

    /// Takes the next remote sampling, if it was set.
    pub(crate) fn take(&self) -> Option<Option<RemoteSampling>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

//! A client per tokio runtime and process.

use std::sync::{Mutex, PoisonError};

use spanwise_worker::fork;
use tokio::runtime;

use crate::Failure;
use crate::classify::AttemptOutcome;

/// A client of the current tokio runtime and process: connections of a runtime that was shut down
/// are closed, and those that a fork copied belong to the parent.
#[derive(Debug)]
pub(crate) struct PerRuntime<C> {
    slot: Mutex<Option<((runtime::Id, u32), C)>>,
}

impl<C: Clone> PerRuntime<C> {
    pub(crate) fn new() -> Self {
        Self { slot: Mutex::new(None) }
    }

    /// Returns the client of the current runtime; `connect` creates it on its first use there.
    pub(crate) fn client(&self, connect: impl FnOnce() -> C) -> Result<C, AttemptOutcome> {
        let id = runtime::Handle::try_current()
            .map_err(|error| AttemptOutcome::permanent(Failure::Unsendable, error.to_string()))?
            .id();
        let here = (id, fork::generation());
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some((at, client)) if *at == here => Ok(client.clone()),
            _ => {
                let client = connect();
                *slot = Some((here, client.clone()));
                Ok(client)
            }
        }
    }
}

//! What other threads ask of the worker.

use spanwise_worker::oneshot::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Commands for the worker.
pub(crate) struct Inbox {
    /// `None` once the worker has ended.
    commands: Mutex<Option<Vec<Command>>>,
}

/// Something a thread waits for.
pub(crate) struct Command {
    pub(crate) kind: CommandKind,
    pub(crate) deadline: Instant,
    /// True when all was done in time.
    pub(crate) done: Sender<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandKind {
    Flush,
    Shutdown,
}

impl Inbox {
    pub(crate) fn open() -> Self {
        Self { commands: Mutex::new(Some(Vec::new())) }
    }

    /// False when the worker has ended.
    pub(crate) fn send(&self, command: Command) -> bool {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.as_mut().map(|commands| commands.push(command)).is_some()
    }

    pub(super) fn take(&self) -> Vec<Command> {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Refuses commands from now on; those still inside see their completer dropped.
    pub(super) fn close(&self) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Closes the inbox when the worker ends, however it ends: nobody waits for a thread that is gone.
pub(super) struct ClosesInbox(pub(super) std::sync::Arc<Inbox>);

impl Drop for ClosesInbox {
    fn drop(&mut self) {
        self.0.close();
    }
}

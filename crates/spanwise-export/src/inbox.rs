//! The commands that other threads send to the exporter: flushes and shutdowns.

use spanwise_worker::oneshot::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Commands for the exporter's thread.
pub(crate) struct Inbox {
    /// `None` once the thread has ended.
    commands: Mutex<Option<Vec<Command>>>,
}

/// A flush or shutdown that a thread waits for.
pub(crate) struct Command {
    pub(crate) kind: CommandKind,
    pub(crate) deadline: Instant,
    /// Receives true when all was done in time.
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

    /// False when the thread has ended.
    pub(crate) fn send(&self, command: Command) -> bool {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.as_mut().map(|commands| commands.push(command)).is_some()
    }

    pub(crate) fn take(&self) -> Vec<Command> {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Refuses commands from now on; the senders of those inside are dropped.
    fn close(&self) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Closes the inbox when the thread ends, for whatever reason: no caller waits for a thread that has
/// ended.
pub(crate) struct InboxGuard(pub(crate) Arc<Inbox>);

impl Drop for InboxGuard {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanwise_worker::oneshot;

    #[test]
    fn no_caller_waits_for_a_thread_that_has_ended() {
        let inbox = Arc::new(Inbox::open());
        let guard = InboxGuard(inbox.clone());
        let flush = || {
            let (done, waiting) = oneshot::channel();
            (Command { kind: CommandKind::Flush, deadline: Instant::now(), done }, waiting)
        };
        let (command, waiting) = flush();
        assert!(inbox.send(command) && !waiting.is_closed());
        drop(guard);
        assert!(waiting.is_closed());
        assert!(!inbox.send(flush().0));
    }
}

//! What is different on the receiver's own threads.

use spanwise_worker::{mask_sigpipe, suppress_tracing};
use std::cell::Cell;

/// A thread of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ThreadRole {
    /// The one that serves.
    Server,
    /// The one that asks the user's handler, whose own events are the user's.
    Handler,
}

thread_local! {
    /// The receiver that the thread belongs to; 0 is none.
    static OWNER: Cell<usize> = const { Cell::new(0) };
    static SERVES: Cell<bool> = const { Cell::new(false) };
}

/// Keeps signals from the calling thread, and what happens on the server's out of the host's
/// traces: hyper and h2 open spans. `owner` is a number of the receiver's own, never 0.
pub(crate) fn prepare(role: ThreadRole, owner: usize) {
    mask_sigpipe();
    OWNER.set(owner);
    SERVES.set(role == ThreadRole::Server);
    stay_untraced();
}

/// Again at each wake: the program may have got its subscriber while the server slept.
pub(crate) fn stay_untraced() {
    if SERVES.get() {
        suppress_tracing();
    }
}

/// Whether the calling thread is one that the receiver `owner` would wait for.
pub(crate) fn belongs_to(owner: usize) -> bool {
    OWNER.get() == owner
}

//! The state of the receiver's own threads.

use spanwise_worker::{mask_sigpipe, suppress_tracing};
use std::cell::Cell;

/// A thread of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ThreadRole {
    /// The thread of the server.
    Server,
    /// The thread of the user's handler, whose tracing events belong to the user.
    Handler,
}

thread_local! {
    /// The receiver that owns the thread; 0 for none.
    static OWNER: Cell<usize> = const { Cell::new(0) };
    static SERVES: Cell<bool> = const { Cell::new(false) };
}

/// Masks `SIGPIPE` on the calling thread and, on the server's thread, suppresses tracing, because
/// hyper and h2 open spans. `owner` is the id of the receiver, never 0.
pub(crate) fn prepare(role: ThreadRole, owner: usize) {
    mask_sigpipe();
    OWNER.set(owner);
    SERVES.set(role == ThreadRole::Server);
    suppress_server_tracing();
}

/// Suppresses tracing on the server's thread. Called at each wake-up too, because the program may have
/// installed its subscriber while the server slept.
pub(crate) fn suppress_server_tracing() {
    if SERVES.get() {
        suppress_tracing();
    }
}

/// Whether the calling thread is one of the threads that the receiver `owner` waits for.
pub(crate) fn belongs_to(owner: usize) -> bool {
    OWNER.get() == owner
}

//! What is different on the receiver's own threads.

use std::cell::{Cell, RefCell};

use tracing_core::dispatcher::{DefaultGuard, Dispatch, set_default};

/// A thread of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one that serves.
    Server,
    /// The one that asks the user's handler, whose own events are the user's.
    Handler,
}

thread_local! {
    /// The receiver that the thread belongs to; 0 is none.
    static OWNER: Cell<usize> = const { Cell::new(0) };
    static UNTRACED: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// Keeps signals from the calling thread, and what happens on the server's out of the host's
/// traces: hyper and h2 open spans. `owner` is a number of the receiver's own, never 0.
pub(crate) fn prepare(place: Place, owner: usize) {
    #[cfg(unix)]
    crate::sigpipe::block();
    OWNER.set(owner);
    if place == Place::Server {
        UNTRACED.set(Some(set_default(&Dispatch::none())));
    }
}

/// Whether the calling thread is one that the receiver `owner` would wait for.
pub(crate) fn belongs_to(owner: usize) -> bool {
    OWNER.get() == owner
}

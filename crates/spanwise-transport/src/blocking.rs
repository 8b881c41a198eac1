//! Calls that block, on a thread of the runtime for them.

use std::io;

use tokio::task::{JoinHandle, spawn_blocking};

/// Runs `call` on one of the runtime's threads for blocking calls.
///
/// Dropping the future cancels a call that waits for a thread: the calls of attempts that timed out
/// would delay those of later attempts while a name server, or a file system, is slow.
pub(crate) async fn on_blocking_thread<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let mut running = AbortOnDrop(spawn_blocking(call));
    (&mut running.0).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Cancels a call that has not begun.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

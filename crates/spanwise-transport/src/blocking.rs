//! Calls that block, on threads of their own.

use std::io;
use std::thread;

use spanwise_worker::{mask_sigpipe, oneshot};

/// Runs `call` on a thread of its own, which it does not share with calls of other destinations: one that
/// hangs, because a file system does, delays none of them. The caller limits their number.
///
/// Dropping the future ends the wait and not the call.
pub(crate) async fn on_blocking_thread<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    let run = move || {
        mask_sigpipe();
        done.send(call());
    };
    thread::Builder::new().name("spanwise-files".to_owned()).spawn(run)?;
    result.await.unwrap_or_else(|| Err(io::Error::other("the thread panicked")))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// With one thread for blocking calls on the runtime.
    #[test]
    fn a_call_that_hangs_delays_no_other() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().max_blocking_threads(1).build().unwrap();
        let (release, hangs) = channel::<()>();
        runtime.block_on(async {
            let hanging = tokio::spawn(on_blocking_thread(move || {
                let _released = hangs.recv();
                Ok(1)
            }));
            tokio::task::yield_now().await;
            let long = std::time::Duration::from_secs(60);
            let other = tokio::time::timeout(long, on_blocking_thread(|| Ok(2)));
            assert_eq!(other.await.unwrap().unwrap(), 2);
            release.send(()).unwrap();
            assert_eq!(hanging.await.unwrap().unwrap(), 1);
            let panics = on_blocking_thread(|| -> io::Result<()> {
                std::panic::resume_unwind(Box::new(()));
            });
            assert!(panics.await.is_err());
        });
    }
}

//! Runs a future on a thread without a runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// Polls `future` on the calling thread, which is parked in between. `None`: it has not ended at `deadline`,
/// and is dropped.
pub(crate) fn block_on_until<F: Future>(future: F, deadline: Instant) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        // Another waker may have left a permit: a poll more does no harm.
        thread::park_timeout(left);
    }
}

/// Unparks a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_future_runs_to_its_end_or_to_the_deadline() {
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(block_on_until(ready(7), Instant::now()), Some(7));
        assert_eq!(block_on_until(pending::<()>(), soon), None);
        assert!(Instant::now() >= soon);
        let (sender, receiver) = spanwise_worker::oneshot::channel();
        let sending = thread::spawn(move || sender.send(7));
        let late = Instant::now() + Duration::from_secs(60);
        assert_eq!(block_on_until(receiver, late), Some(Some(7)));
        sending.join().unwrap();
    }
}

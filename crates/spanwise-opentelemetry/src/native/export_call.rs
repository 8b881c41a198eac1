//! [`ExportCall`]: one request on its way to an exporter, which its sender can cancel.

use bytes::Bytes;
use spanwise_worker::{CaughtPanic, catch_panic_async};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// A request that waits for the exporter's thread, or that the thread exports.
pub(super) struct ExportCall {
    /// `None` once the thread has it, or the sender cancelled the call: the provider's budget is charged
    /// for these bytes.
    request: Mutex<Option<Bytes>>,
    cancelled: AtomicBool,
    /// The thread that exports the request.
    thread: OnceLock<Thread>,
}

impl ExportCall {
    pub(super) fn new(request: Bytes) -> Self {
        let request = Mutex::new(Some(request));
        Self { request, cancelled: AtomicBool::new(false), thread: OnceLock::new() }
    }

    /// The request; `None` if the call was cancelled.
    pub(super) fn take(&self) -> Option<Bytes> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Runs the future on this thread to its end; `None` if the call is cancelled first, which drops the
    /// future.
    pub(super) fn block_on<F: Future>(&self, future: F) -> Option<Result<F::Output, CaughtPanic>> {
        let thread = thread::current();
        let _set_once = self.thread.set(thread.clone());
        let waker = Waker::from(Arc::new(Unpark(thread)));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(catch_panic_async(future));
        // `cancel` unparks the thread after it has set the flag.
        while !self.cancelled.load(SeqCst) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Some(output);
            }
            thread::park();
        }
        None
    }

    fn cancel(&self) {
        self.cancelled.store(true, SeqCst);
        drop(self.take());
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Cancels the call when the sender stops waiting for it.
pub(super) struct CancelOnDrop(pub(super) Arc<ExportCall>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

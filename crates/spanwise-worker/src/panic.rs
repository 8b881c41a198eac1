use crate::{MAX_LINE_BYTES, sanitize};
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A panic that went no further, with as much of its message as is safe to show.
///
/// Its payload is not kept: dropping one can panic again.
#[derive(Clone, PartialEq, Eq)]
pub struct CaughtPanic {
    message: Option<Box<str>>,
}

/// Runs code that is not ours: its panic becomes an error.
///
/// The payload of the panic is not dropped but forgotten, unless it is a string; its drop may
/// panic. What `f` captured is dropped while it unwinds. Works with `panic = "unwind"` only: with
/// `"abort"` nothing can be caught.
///
/// # Cost
/// Nothing without a panic.
///
/// # Errors
/// `f` panicked.
///
/// ```
/// use spanwise_worker::catch_panic;
///
/// let error = catch_panic(|| -> u32 { panic!("no\x1b[31m") }).unwrap_err();
/// assert_eq!(error.to_string(), "panicked: no\\u{1b}[31m");
/// assert_eq!(catch_panic(|| 1), Ok(1));
/// ```
pub fn catch_panic<T>(f: impl FnOnce() -> T) -> Result<T, CaughtPanic> {
    catch_unwind(AssertUnwindSafe(f)).map_err(CaughtPanic::from_payload)
}

/// [`catch_panic`] for a future, each poll and the drop of it.
///
/// # Cost
/// An allocation.
///
/// # Errors
/// The future panicked. If only its drop did, after its end, that is caught, and the output stands.
pub fn catch_panic_async<F: Future>(future: F) -> CatchPanic<F> {
    CatchPanic { future: Some(Box::pin(future)) }
}

/// What [`catch_panic_async`] returns. Dropped early, it drops the future; also that may panic and
/// goes no further.
#[must_use = "futures do nothing unless polled"]
pub struct CatchPanic<F> {
    /// `None` once it has ended.
    future: Option<Pin<Box<F>>>,
}

impl CaughtPanic {
    fn from_payload(payload: Box<dyn Any + Send>) -> Self {
        let payload = match payload.downcast::<&'static str>() {
            Ok(text) => {
                return CaughtPanic { message: Some(sanitize(&text, MAX_LINE_BYTES).into()) };
            }
            Err(payload) => payload,
        };
        match payload.downcast::<String>() {
            Ok(text) => CaughtPanic { message: Some(sanitize(&text, MAX_LINE_BYTES).into()) },
            Err(payload) => {
                std::mem::forget(payload);
                CaughtPanic { message: None }
            }
        }
    }

    /// What the panic said, if it said it in a string: one line of at most 256 bytes, see
    /// [`sanitize`].
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, CaughtPanic>;

    /// # Panics
    /// Never; polled again after its end, it stays pending.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.future.as_mut() else { return Poll::Pending };
        let output = match catch_panic(|| future.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        drop_fenced(self.future.take());
        Poll::Ready(output)
    }
}

impl<F> Drop for CatchPanic<F> {
    fn drop(&mut self) {
        drop_fenced(self.future.take());
    }
}

/// Drops what is not ours: its destructors may panic, and that goes no further.
pub(crate) fn drop_fenced<T>(strange: T) {
    let _forgotten = catch_panic(|| drop(strange));
}

/// [`drop_fenced`] for several: were they dropped together, the second to panic would end the
/// program.
#[cfg(feature = "pool")]
pub(crate) fn drop_each_fenced<T>(strange: impl IntoIterator<Item = T>) {
    strange.into_iter().for_each(drop_fenced);
}

impl fmt::Display for CaughtPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "panicked: {message}"),
            None => f.write_str("panicked"),
        }
    }
}

/// As [`Display`](fmt::Display): `main` and `unwrap` show errors by this.
impl fmt::Debug for CaughtPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CaughtPanic {}

impl<F> fmt::Debug for CatchPanic<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatchPanic").field("ended", &self.future.is_none()).finish()
    }
}

use crate::{MAX_LINE_BYTES, sanitize};
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A panic that [`catch_panic`] caught, with as much of its message as is safe to show.
///
/// It does not hold the payload, because the drop of a payload can panic again.
#[derive(Clone, PartialEq, Eq)]
pub struct CaughtPanic {
    message: Option<Box<str>>,
}

/// Runs `f`, code of a user or another library, as `std::panic::catch_unwind` does: a panic becomes an
/// error.
///
/// The payload of the panic is forgotten instead of dropped, unless it is a string, because its drop
/// may panic. The captures of `f` are dropped while it unwinds. Works with `panic = "unwind"` only:
/// with `"abort"` no code can catch a panic.
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

/// [`catch_panic`] for a future: catches a panic of each poll and of the drop.
///
/// # Cost
/// An allocation.
///
/// # Errors
/// The future panicked. If only its drop panics, after its end, that panic is caught and the output is
/// returned.
pub fn catch_panic_async<F: Future>(future: F) -> CatchPanic<F> {
    CatchPanic { future: Some(Box::pin(future)) }
}

/// The future of [`catch_panic_async`]. If it is dropped early, it drops the inner future and catches a
/// panic of that drop.
#[must_use = "futures do nothing unless polled"]
pub struct CatchPanic<F> {
    /// `None` after its end.
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

    /// The panic's message, if its payload is a string: one line of at most 256 bytes, see
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

/// Drops a value of a user's type and catches a panic of its destructors.
pub(crate) fn drop_fenced<T>(value: T) {
    let _caught = catch_panic(|| drop(value));
}

/// [`drop_fenced`] for several values, one by one: a collection's own drop aborts the program at the
/// second panic.
#[cfg(feature = "pool")]
pub(crate) fn drop_each_fenced<T>(values: impl IntoIterator<Item = T>) {
    values.into_iter().for_each(drop_fenced);
}

impl fmt::Display for CaughtPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "panicked: {message}"),
            None => f.write_str("panicked"),
        }
    }
}

/// As [`Display`](fmt::Display): `main` and `unwrap` print errors with `Debug`.
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

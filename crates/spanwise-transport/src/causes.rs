//! The chain of sources of an error.

use std::error::Error;

/// An error and those below it. Bounded: a cycle is impossible, but nothing here trusts that.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| source(*error)).take(17)
}

/// The next error below. `io::Error` leaves the error it wraps out of `source`.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
        None => error.source(),
    }
}

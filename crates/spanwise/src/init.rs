//! Everything in one line.

use crate::{BuildError, Guard, Spanwise};

/// Starts tracing as the environment says and makes it global, until the guard is dropped.
///
/// ```no_run
/// let _tracing = spanwise::init()?;
/// # Ok::<(), spanwise::BuildError>(())
/// ```
///
/// Reads the `OTEL_*` variables listed at [`Builder`](crate::Builder); without any, spans go to
/// `http://localhost:4318`. Dropping the guard sends what is left, for at most five seconds.
///
/// # Errors
/// As [`Builder::build`](crate::Builder::build).
pub fn init() -> Result<Guard, BuildError> {
    Spanwise::builder().install()
}

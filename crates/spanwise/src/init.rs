//! Everything in one line.

use crate::{BuildError, Guard, Spanwise};

/// Starts tracing as the environment says and makes it global, until the guard is dropped.
///
/// ```no_run
/// fn main() -> Result<(), spanwise::BuildError> {
///     let _tracing = spanwise::init()?;
///     // … the application runs …
///     Ok(())
/// }
/// ```
///
/// Reads the `OTEL_*` variables named at the methods of [`SpanwiseBuilder`](crate::SpanwiseBuilder), which says how
/// they are read; without any, spans go to `http://localhost:4318`. Dropping the guard sends what is
/// left, for at most five seconds.
///
/// With `OTEL_SDK_DISABLED=true` there are no spans, and contexts pass through; with
/// `OTEL_TRACES_EXPORTER=none` spans have ids, to propagate and to log, and are not exported.
///
/// # Errors
/// As [`SpanwiseBuilder::build`](crate::SpanwiseBuilder::build): a setting that says where spans go cannot be used.
/// A `main` that returns it prints which, what it holds and what is accepted.
pub fn init() -> Result<Guard, BuildError> {
    Spanwise::builder().init()
}

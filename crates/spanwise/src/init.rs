//! `init`: the provider, its exporter and the propagators in one call.

use crate::{BuildError, Guard, Spanwise};

/// Initializes tracing from the environment: sets the global tracer provider, until the guard is
/// dropped, and the global propagators.
///
/// ```no_run
/// fn main() -> Result<(), spanwise::BuildError> {
///     let _tracing = spanwise::init()?;
///     // … the application runs …
///     Ok(())
/// }
/// ```
///
/// Reads the `OTEL_*` variables named at the methods of [`SpanwiseBuilder`](crate::SpanwiseBuilder),
/// whose documentation defines how they are read; without any, spans are sent to
/// `http://localhost:4318`. Dropping the guard sends the spans that are left, for at most five
/// seconds.
///
/// `OTEL_PROPAGATORS` names the propagators, `tracecontext,baggage` by default; `none` leaves the
/// global propagator as it is.
///
/// With `OTEL_SDK_DISABLED=true` there are no spans, and contexts pass through; with
/// `OTEL_TRACES_EXPORTER=none` spans have ids, to propagate and to log, and are not exported.
///
/// # Errors
/// As [`SpanwiseBuilder::build`](crate::SpanwiseBuilder::build): a setting that decides where spans
/// are sent cannot be used. A `main` that returns the error prints the setting, its value and what is
/// accepted.
pub fn init() -> Result<Guard, BuildError> {
    Spanwise::builder().init()
}

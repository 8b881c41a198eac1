//! The guard of the global provider.

use super::report::{FlushError, Report};
use crate::diagnostics::Diagnostic;
use crate::provider::Spanwise;
use crate::start::Tracer;
use opentelemetry::{InstrumentationScope, global};
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

/// The guard of the global tracer provider: shuts it down when it is dropped.
///
/// Hold it until the end of the program; `let _ = …` would drop it at once. Its drop waits until all spans
/// have an outcome, at most for the configured shutdown timeout.
///
/// It implements [`TracerProvider`](opentelemetry::trace::TracerProvider) too, and dereferences to its
/// [`Spanwise`].
///
/// ```no_run
/// # use spanwise_sdk as spanwise;
/// use spanwise::{SpanKind, Spanwise};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let tracing = Spanwise::builder().init()?;
///     tracing.tracer("shop").root("checkout", SpanKind::Server).finish();
///     println!("{}", tracing.shutdown()?);
///     Ok(())
/// }
/// ```
#[must_use = "dropping the guard shuts tracing down"]
#[derive(Debug)]
pub struct Guard {
    spanwise: Spanwise,
    attached: Attached,
}

/// Code that runs as long as a guard, such as an endpoint.
#[derive(Default)]
struct Attached(Option<Box<dyn Any + Send + Sync>>);

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "attached" } else { "nothing" })
    }
}

/// Drops the value that `start` returns with the guard. Reports the diagnostic that it returns instead.
#[doc(hidden)]
pub fn attach<A: Any + Send + Sync>(
    guard: &mut Guard,
    start: impl FnOnce(&Spanwise) -> Result<A, Diagnostic>,
) {
    match start(&guard.spanwise) {
        Ok(attached) => guard.attached = Attached(Some(Box::new(attached))),
        Err(diagnostic) => guard.spanwise.handle.reporter().report(diagnostic),
    }
}

impl Guard {
    pub(crate) fn install(spanwise: Spanwise) -> Self {
        global::set_tracer_provider(spanwise.clone());
        Self { spanwise, attached: Attached::default() }
    }

    /// The provider.
    pub fn provider(&self) -> &Spanwise {
        &self.spanwise
    }

    /// As [`Spanwise::tracer`].
    pub fn tracer(&self, name: impl Into<Cow<'static, str>>) -> Tracer {
        self.spanwise.tracer(name)
    }

    /// As [`Spanwise::shutdown`].
    ///
    /// # Errors
    /// See [`FlushError`].
    pub fn shutdown(self) -> Result<Report, FlushError> {
        self.spanwise.shutdown()
    }

    /// As [`Spanwise::shutdown_timeout`].
    ///
    /// # Errors
    /// See [`FlushError`].
    pub fn shutdown_timeout(self, timeout: Duration) -> Result<Report, FlushError> {
        self.spanwise.shutdown_timeout(timeout)
    }

    /// As [`Spanwise::shutdown_until`].
    ///
    /// # Errors
    /// See [`FlushError`].
    pub fn shutdown_until(self, deadline: Instant) -> Result<Report, FlushError> {
        self.spanwise.shutdown_until(deadline)
    }
}

impl opentelemetry::trace::TracerProvider for Guard {
    type Tracer = Tracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> Tracer {
        opentelemetry::trace::TracerProvider::tracer_with_scope(&self.spanwise, scope)
    }
}

impl std::ops::Deref for Guard {
    type Target = Spanwise;

    fn deref(&self) -> &Spanwise {
        &self.spanwise
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.spanwise.handle.guard_dropped();
        // The global provider owns the handle too, so the drop of the handle would be too late.
        let _ = self.spanwise.shutdown();
        // It shows the state until the shutdown is complete.
        self.attached = Attached::default();
    }
}

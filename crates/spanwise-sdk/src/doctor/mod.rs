//! The doctor: why spans do not arrive, step by step, with the fix.
//!
//! `settings` and `sampling` read the configuration, `network` sends a span and explains the answer, and `process` sees
//! what only the process can see. `run` bounds their time.

mod attempt;
mod check;
mod host_name;
mod marker;
mod network;
mod process;
mod report;
mod request;
mod run;
mod running;
mod sampling;
mod settings;

pub use check::{CheckStatus, DoctorCheck, VisibleFrom};
pub(crate) use marker::{MARKER, reached};
pub use report::DoctorReport;

use crate::config::SpanwiseBuilder;
use crate::lifecycle::Handle;
use crate::provider::Spanwise;
use network::Limits;
use run::{Progress, within};
use std::sync::Arc;
use std::time::Duration;

/// Reports why spans of this process do not arrive: the settings and where they come from, the sampler, the host name, the
/// connection, TLS, the receiver's answer to a span named `spanwise doctor`, and from within the process alone: whether the
/// global provider is one of Spanwise and runs, its spans so far, and the filter of `tracing`.
///
/// The settings are those of the global provider, with the ones in code, of its build or its last reload, and the span goes
/// through its transport. After a shutdown and in a forked child the span goes through a new transport with the same settings,
/// and further destinations are not checked. Without a provider the environment has the settings;
/// [`SpanwiseBuilder::doctor`] adds those in code. The request counts for the provider's diagnostics, neither for its circuit
/// breaker nor for a pause that the receiver asks for (`Retry-After`), and the span for neither its ledger nor its processors.
///
/// ```no_run
/// # use spanwise_sdk as spanwise;
/// use spanwise::{BuildError, Spanwise};
///
/// fn main() -> Result<(), BuildError> {
///     let _tracing = Spanwise::builder().with_service_name("shop").init()?;
///     if std::env::args().any(|argument| argument == "--doctor") {
///         println!("{}", spanwise::doctor());
///     }
///     Ok(())
/// }
/// ```
///
/// The call blocks its thread for at most 12 s, the usual time is that of one request. It needs no runtime, and its work is
/// done on a thread of its own; an async function calls it by `spawn_blocking`. It never panics. At most 32 doctors run at
/// once, and none from a sampler or a sink that one of them uses: the report of a further one is a failed check.
pub fn doctor() -> DoctorReport {
    diagnose(process::global_provider(), Spanwise::builder)
}

impl SpanwiseBuilder {
    /// As [`doctor`](crate::doctor()), with the settings of this builder and without the checks of the process: no provider is
    /// started, and no global is read or set. An exporter of the configuration file that writes to the standard output
    /// writes the doctor's span to the standard error.
    ///
    /// ```no_run
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::Spanwise;
    ///
    /// let report = Spanwise::builder().with_endpoint("http://collector:4318").doctor();
    /// if let Some(failed) = report.failed() {
    ///     println!("{}: {}", failed.finding(), failed.fix().unwrap_or("no fix is known"));
    /// }
    /// ```
    pub fn doctor(self) -> DoctorReport {
        within(LIMIT, move |progress| check_settings(self, progress))
    }
}

impl Spanwise {
    /// As [`doctor`](crate::doctor()), for this provider.
    pub fn doctor(&self) -> DoctorReport {
        diagnose(Some(self.handle.clone()), Self::builder)
    }
}

/// The checks of `provider`, otherwise of the settings of `builder`.
fn diagnose(
    provider: Option<Arc<Handle>>,
    builder: impl FnOnce() -> SpanwiseBuilder + Send + 'static,
) -> DoctorReport {
    within(LIMIT, move |progress| {
        process::check(provider.as_deref()).into_iter().for_each(|check| progress.add(check));
        match provider {
            Some(provider) => {
                if let Some(route) = settings::of_provider(&provider, progress) {
                    network::check(&route, LIMITS, progress);
                }
            }
            None => check_settings(builder(), progress),
        }
    })
}

fn check_settings(builder: SpanwiseBuilder, progress: &Progress) {
    if let Some(route) = settings::check(builder, progress) {
        network::check(&route, LIMITS, progress);
    }
}

/// The longest time of all checks.
const LIMIT: Duration = Duration::from_millis(11_800);
/// Their sum is below [`LIMIT`], so that a stage's own sentence is reported.
const LIMITS: Limits = Limits { lookup: Duration::from_secs(3), attempt: Duration::from_secs(8) };

//! Systems without `fork` and without signals for closed pipes.

#[cfg(feature = "clock")]
use std::sync::OnceLock;
#[cfg(feature = "clock")]
use std::time::Instant;

/// These systems have no fork, so the handler never runs.
#[cfg(feature = "fork")]
pub(crate) fn on_fork_in_child(_handler: extern "C" fn()) -> bool {
    true
}

/// These systems have no SIGPIPE.
#[cfg(feature = "fork")]
pub(crate) fn mask_sigpipe() {}

/// These systems have no SIGXFSZ.
#[cfg(feature = "fork")]
pub(crate) fn mask_sigxfsz() {}

/// Nanoseconds of the system's monotonic clock since the first call.
#[cfg(feature = "clock")]
pub(crate) fn monotonic_nanos() -> u64 {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(Instant::now);
    u64::try_from(Instant::now().saturating_duration_since(origin).as_nanos()).unwrap_or(u64::MAX)
}

/// std has no clock of a thread's CPU time.
#[cfg(feature = "clock")]
pub(crate) fn thread_cpu_nanos() -> Option<u64> {
    None
}

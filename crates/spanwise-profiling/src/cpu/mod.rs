//! Profiles of processor time.

#[cfg(unix)]
mod owner;
#[cfg(unix)]
mod profiler;
#[cfg(unix)]
mod signal;

#[cfg(unix)]
pub use profiler::CpuProfiler;

use crate::{Profile, ProfileError};
use std::time::Duration;

/// Takes a CPU profile of all threads for `duration`, while the calling thread sleeps.
///
/// The signal `SIGPROF` interrupts a running thread after each 10 ms of processor time of the process; its
/// handler records the call stack. Outside of a profile there is no timer and no signal.
///
/// # Errors
/// Those of [`CpuProfiler::start`], and [`ProfileError::Duration`] for a duration of 0 or above 60 s.
pub fn cpu(duration: Duration) -> Result<Profile, ProfileError> {
    if duration.is_zero() || duration > MAX_DURATION {
        return Err(ProfileError::Duration(duration));
    }
    let profiler = CpuProfiler::start()?;
    std::thread::sleep(duration);
    profiler.finish()
}

const MAX_DURATION: Duration = Duration::from_secs(60);

/// A CPU profile that is being taken. The drop ends it.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct CpuProfiler(());

#[cfg(not(unix))]
impl CpuProfiler {
    /// Starts a profile.
    ///
    /// # Errors
    /// [`ProfileError::Unsupported`]: this system has no `SIGPROF`.
    pub fn start() -> Result<Self, ProfileError> {
        Err(ProfileError::Unsupported("cpu", "the system has no SIGPROF"))
    }

    /// Ends the profile.
    ///
    /// # Errors
    /// None on this system, where no profile starts.
    pub fn finish(self) -> Result<Profile, ProfileError> {
        Err(ProfileError::Unsupported("cpu", "the system has no SIGPROF"))
    }
}

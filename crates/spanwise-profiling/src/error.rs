//! The reasons for which there is no profile.

use std::io;
use std::time::Duration;

/// The reason why a profile was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Another CPU profile of this process is being taken; there is one at a time.
    #[error("a CPU profile is being taken; one at a time: try again when it has ended")]
    Busy,
    /// The duration is out of bounds.
    #[error("duration {0:?} is not accepted: more than 0 and at most 60 s")]
    Duration(Duration),
    /// Another library of this process owns `SIGPROF` or `ITIMER_PROF`.
    #[error("{0} is in use by another profiler of this process: stop that one first")]
    SignalInUse(&'static str),
    /// The global allocator of this program does not sample.
    #[error(
        "the global allocator of this program is not spanwise_profiling::SamplingAllocator: add \
         `#[global_allocator] static ALLOCATOR: SamplingAllocator = SamplingAllocator::system();` \
         to its main.rs"
    )]
    NoSamplingAllocator,
    /// This system has no such profile.
    #[error("{0} profiles are not available on {os}: {1}", os = std::env::consts::OS)]
    Unsupported(&'static str, &'static str),
    /// A system call failed.
    #[error("{0} failed: {1}")]
    System(&'static str, io::Error),
}

// The README's example starts a `Worker` and a `WorkerPool`, and reads the clock.
#![cfg_attr(
    all(feature = "clock", feature = "pool", feature = "thread"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "clock", feature = "pool", feature = "thread")),
    doc = "Worker threads and pools, and the span clock, each behind a feature."
)]
#![doc(test(attr(deny(warnings))))]
#![deny(unsafe_code)]

#[cfg(feature = "cgroup")]
pub mod cgroup;
#[cfg(feature = "clock")]
pub mod clock;
#[cfg(feature = "fork")]
pub mod fork;
mod limits;
#[cfg(feature = "thread")]
mod notify;
#[cfg(feature = "fork")]
pub mod oneshot;
mod panic;
mod pcg;
#[cfg(feature = "pool")]
mod pool;
#[cfg(feature = "random")]
mod random;
#[cfg(feature = "rate-limit")]
mod rate;
#[cfg(feature = "fork")]
mod regular_file;
#[cfg(feature = "task")]
mod semaphore;
mod split_mix;
#[cfg(any(feature = "clock", feature = "fork", feature = "heap"))]
mod sys;
mod text;
mod time;
#[cfg(feature = "tracing")]
mod untraced;
#[cfg(feature = "thread")]
mod worker;

#[cfg(feature = "thread")]
pub use notify::{Notified, Notifier, Wakeup, notify};
pub use panic::{CatchPanic, CaughtPanic, catch_panic, catch_panic_async};
#[cfg(all(feature = "pool", feature = "task"))]
pub use pool::TokioPool;
#[cfg(feature = "pool")]
pub use pool::{
    PoolReport, RejectReason, ShutdownMode, SubmitError, WorkerPool, WorkerPoolBuilder,
    WorkerPoolError,
};
#[cfg(feature = "random")]
pub use random::{random_bytes, random_seed};
#[cfg(feature = "rate-limit")]
pub use rate::{InsufficientCapacity, RateError, RateLimiter};
#[cfg(feature = "task")]
pub use semaphore::{OwnedPermit, Permit, Semaphore};
pub use text::{MAX_LINE_BYTES, redact_url, sanitize};
#[cfg(feature = "task")]
pub use time::Timer;
pub use time::{Clock, SystemClock, VirtualClock, deadline};
#[cfg(feature = "tracing")]
pub use untraced::suppress_tracing;
#[cfg(feature = "thread")]
pub use worker::{Worker, WorkerBuilder, WorkerState};

/// Functions that other crates of the workspace share. They are no part of the API and change without
/// notice.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "fork")]
    pub use crate::fork::simulate_fork;
    pub use crate::pcg::Pcg;
    #[cfg(feature = "fork")]
    pub use crate::regular_file::open_regular;
    pub use crate::split_mix::{INCREMENT, mix};
    /// As [`mask_sigpipe`](crate::mask_sigpipe) for SIGXFSZ: a write beyond the process's limit of a file's
    /// size (`RLIMIT_FSIZE`) returns an error.
    #[cfg(feature = "fork")]
    pub fn mask_sigxfsz() {
        crate::sys::mask_sigxfsz();
    }
    pub use crate::text::is_pem;
    pub use crate::time::timer_deadline;
    #[cfg(feature = "tracing")]
    pub use crate::untraced::{is_tracing_suppressed, max_tracing_level};
}

/// Blocks SIGPIPE on the calling thread until it ends: a write to a closed pipe or socket returns an
/// error there, independently of the signal's disposition in the program.
///
/// For threads of a library that write. Rust programs ignore the signal; where Rust is a library of a C
/// program, the signal ends the process. The mask belongs to the thread, and threads that it starts
/// inherit it. Does nothing on systems without the signal.
///
/// # Cost
/// A system call.
#[cfg(feature = "fork")]
pub fn mask_sigpipe() {
    sys::mask_sigpipe();
}

/// Returns whole free pages of the heap to the system, wherever they are in it. For a program that owns its process, as a library does not.
///
/// glibc alone has such a call (`malloc_trim`), and returns memory by itself only from the end of a heap; elsewhere this does nothing, because
/// other allocators return memory on their own. A global allocator of Rust other than the system's is not affected.
///
/// # Cost
/// A system call for each free range: below 1 ms for 100 MiB, tens of milliseconds for 1 GiB. Threads that allocate from a heap wait while it is
/// trimmed.
#[cfg(feature = "heap")]
pub fn trim_heap() {
    sys::trim_heap();
}

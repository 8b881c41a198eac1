// Its example starts a `Worker`.
#![cfg_attr(feature = "runtime", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "runtime"), doc = "Worker pools and the clock spans are timed by.")]
#![doc(test(attr(deny(warnings))))]
#![deny(unsafe_code)]

pub mod clock;
pub mod fork;
mod limits;
#[cfg(feature = "runtime")]
mod notify;
pub mod oneshot;
mod panic;
mod pool;
mod random;
#[cfg(feature = "rate-limit")]
mod rate;
#[cfg(feature = "runtime")]
mod semaphore;
mod sys;
mod text;
mod time;
#[cfg(feature = "runtime")]
mod untraced;
#[cfg(feature = "runtime")]
mod worker;

#[cfg(feature = "runtime")]
pub use notify::{Notified, Notifier, Wakeup, notify};
pub use panic::{CatchPanic, CaughtPanic, catch_panic, catch_panic_async};
#[cfg(feature = "runtime")]
pub use pool::TokioPool;
pub use pool::{
    PoolReport, RejectReason, ShutdownMode, SubmitError, WorkerPool, WorkerPoolBuilder,
    WorkerPoolError,
};
pub use random::{random_bytes, random_seed};
#[cfg(feature = "rate-limit")]
pub use rate::{InsufficientCapacity, RateError, RateLimiter};
#[cfg(feature = "runtime")]
pub use semaphore::{OwnedPermit, Permit, Semaphore};
pub use text::sanitize;
#[cfg(feature = "runtime")]
pub use time::Timer;
pub use time::{Clock, SystemClock, VirtualClock, deadline};
#[cfg(feature = "runtime")]
pub use untraced::suppress_tracing;
#[cfg(feature = "runtime")]
pub use worker::{Worker, WorkerBuilder, WorkerState};

/// Keeps SIGPIPE from the calling thread, for the rest of its life: a write to a closed pipe or
/// socket is an error there, whatever the program does about the signal elsewhere.
///
/// For threads of ours that write. Rust's own programs ignore the signal; where Rust is a library
/// of a C program, it ends the process. The mask is the thread's alone and is inherited by threads
/// it starts. Does nothing on systems without the signal.
///
/// # Cost
/// A system call.
pub fn mask_sigpipe() {
    sys::mask_sigpipe();
}

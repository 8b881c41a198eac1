// Its example starts a `Worker`.
#![cfg_attr(feature = "runtime", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "runtime"), doc = "Worker pools and the clock spans are timed by.")]
#![doc(test(attr(deny(warnings))))]
#![deny(unsafe_code)]

pub mod clock;
mod completion;
pub mod fork;
mod limits;
mod panic;
mod pool;
mod random;
#[cfg(feature = "rate-limit")]
mod rate;
#[cfg(feature = "runtime")]
mod semaphore;
#[cfg(feature = "runtime")]
mod signal;
mod sys;
mod text;
mod time;
#[cfg(feature = "runtime")]
mod untraced;
#[cfg(feature = "runtime")]
mod worker;

pub use completion::{Completer, Waiter, completion};
pub use panic::{CatchPanic, CaughtPanic, catch_panic, catch_panic_async};
#[cfg(feature = "runtime")]
pub use pool::TokioPool;
pub use pool::{PoolBuilder, PoolError, Reason, Rejected, Report, Shutdown, WorkerPool};
pub use random::{random_bytes, random_seed};
#[cfg(feature = "rate-limit")]
pub use rate::{RateError, RateLimiter, TooMany};
#[cfg(feature = "runtime")]
pub use semaphore::{OwnedPermit, Permit, Semaphore};
#[cfg(feature = "runtime")]
pub use signal::{Signal, WakeHandle, Woke, signal};
pub use text::sanitize;
#[cfg(feature = "runtime")]
pub use time::Timer;
pub use time::{Clock, SystemClock, VirtualClock, deadline};
#[cfg(feature = "runtime")]
pub use untraced::suppress_tracing;
#[cfg(feature = "runtime")]
pub use worker::{Builder, State, Worker};

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

// Its example starts a `Worker`.
#![cfg_attr(feature = "runtime", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "runtime"), doc = "Worker pools and the clock spans are timed by.")]
#![deny(unsafe_code)]

pub mod clock;
mod completion;
mod pool;
#[cfg(feature = "rate-limit")]
mod rate;
#[cfg(feature = "runtime")]
mod semaphore;
#[cfg(feature = "runtime")]
mod signal;
mod time;
#[cfg(feature = "runtime")]
mod worker;

pub use completion::{Completer, Waiter, completion};
#[cfg(feature = "runtime")]
pub use pool::TokioPool;
pub use pool::{PoolBuilder, PoolError, Reason, Rejected, Report, Shutdown, WorkerPool};
#[cfg(feature = "rate-limit")]
pub use rate::{RateError, RateLimiter, TooMany};
#[cfg(feature = "runtime")]
pub use semaphore::{OwnedPermit, Permit, Semaphore};
#[cfg(feature = "runtime")]
pub use signal::{Signal, WakeHandle, Woke, signal};
#[cfg(feature = "runtime")]
pub use time::Timer;
pub use time::{Clock, SystemClock, VirtualClock};
#[cfg(feature = "runtime")]
pub use worker::{Builder, State, Worker};

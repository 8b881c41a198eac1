//! Workers, pools and rates. `docs/STYLE.md` has the rule for files beside this folder.

#[cfg(feature = "clock")]
mod clock;
#[cfg(feature = "pool")]
mod messages;
#[cfg(feature = "random")]
mod panic;
#[cfg(feature = "pool")]
mod pool;
#[cfg(all(feature = "rate-limit", feature = "task"))]
mod rate;
#[cfg(feature = "task")]
mod semaphore;
#[cfg(all(feature = "pool", feature = "task"))]
mod tokio_pool;

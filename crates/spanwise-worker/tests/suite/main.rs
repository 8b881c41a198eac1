//! Workers, pools and rates. One program, because each program of tests is linked alone; a test that needs a process of its own is beside it.

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

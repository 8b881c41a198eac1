//! Worker pools: a bounded number of tasks at a time, a bounded number that wait.

mod report;
#[cfg(feature = "task")]
mod tokio_pool;
mod worker_pool;

pub use report::{PoolReport, RejectReason, ShutdownMode, SubmitError};
#[cfg(feature = "task")]
pub use tokio_pool::TokioPool;
pub use worker_pool::{WorkerPool, WorkerPoolBuilder, WorkerPoolError};

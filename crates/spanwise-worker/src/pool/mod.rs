//! Worker pools: a bounded number of tasks that run at a time, and a bounded queue of tasks that wait.

mod builder;
mod error;
mod report;
mod shared;
#[cfg(feature = "task")]
mod tokio_pool;
mod worker_pool;

pub use builder::WorkerPoolBuilder;
pub use error::WorkerPoolError;
pub use report::{PoolReport, RejectReason, ShutdownMode, SubmitError};
#[cfg(feature = "task")]
pub use tokio_pool::TokioPool;
pub use worker_pool::WorkerPool;

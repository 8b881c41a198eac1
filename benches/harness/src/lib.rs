//! The harness that all rivals share, so that only the tracing differs: workloads as data, the measuring
//! loop, the counting allocator and the one line of JSON that a process prints.
//!
//! A rival implements [`Subject`] and calls [`serve`] in `main`. A second binary of the same code
//! installs [`CountingAllocator`] first: counting would slow the one that is timed.

mod answer;
mod arguments;
mod count;
mod measure;
mod operations;
mod process;
mod request;
mod subject;
mod workload;

#[cfg(feature = "opentelemetry")]
pub mod otel_api;

pub use arguments::{Arguments, Mode};
pub use count::CountingAllocator;
pub use measure::{measured_run, serve};
pub use operations::Operations;
pub use request::{Request, Statement};
pub use subject::{Subject, Tally};
pub use workload::{Export, Sampler, Shape, Tracer, Workload};

//! The harness that all rivals share, so that only the tracing differs: workloads as data, the measuring
//! loop, the counting allocator and the one line of JSON that a process prints.
//!
//! A rival implements [`Subject`] and calls [`serve`] in `main`. A second binary of the same code
//! installs [`CountingAllocator`] first: counting would slow the one that is timed.

mod answer;
mod arguments;
mod count;
mod crew;
mod measure;
mod operations;
mod overload;
mod process;
mod refused_port;
mod request;
mod sampled;
mod subject;
mod workload;

#[cfg(feature = "opentelemetry")]
pub mod otel_api;
#[cfg(feature = "tracing")]
pub mod tracing_macros;

pub use arguments::{Arguments, Mode};
pub use count::CountingAllocator;
pub use measure::serve;
pub use operations::Operations;
pub use request::{Request, Statement};
pub use subject::{Subject, Tally, measured_run};
pub use workload::{Compression, Export, Sampler, Shape, Tracer, Workload};

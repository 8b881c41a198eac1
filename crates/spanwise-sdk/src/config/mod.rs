//! Configuration: code > signal variable > generic variable > default.
//!
//! `builder` holds what code sets, `environment` reads variables, the files between resolve one kind
//! of setting each, and `compose` puts a provider together.

mod builder;
mod capacity;
mod compose;
mod environment;
mod error;
mod exporter;
mod otlp;
mod propagators;
mod ranges;
mod resource;
mod resource_detectors;
mod sampling;
mod shown;
mod span_counts;
mod span_limits;
mod unused;

pub use builder::SpanwiseBuilder;
pub use error::BuildError;
pub use exporter::Exporter;
pub(crate) use shown::shown;

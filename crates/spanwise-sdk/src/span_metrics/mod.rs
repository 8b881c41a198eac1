//! Metrics of all spans: calls and durations by name, kind, status and attributes, as the Collector's span metrics connector has them.

mod dimension;
mod error;
mod key;
mod recorder;
mod settings;
mod text;

pub use error::SpanMetricsError;
pub(crate) use recorder::{Sizing, SpanMetricsRecorder, observed};
pub use settings::{DurationUnit, SpanMetrics, SpanMetricsBuilder};

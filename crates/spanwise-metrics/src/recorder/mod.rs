//! Recorders: numbers that many threads record without locks, and that a collection adds up.

mod cells;
mod counter;
mod error;
mod exemplars;
mod exponential;
mod family;
mod histogram;
mod key_table;
mod mapping;
mod slot;
mod sum;

pub use counter::{CounterRecorder, UpDownCounterRecorder};
pub use error::RecorderError;
pub use exemplars::ObservedSpan;
pub use exponential::{ExponentialHistogramRecorder, ExponentialHistogramRecorderBuilder};
pub use family::{HistogramFamilyRecorder, SeriesId, SeriesRecorder};
pub use histogram::{HistogramRecorder, HistogramRecorderBuilder};

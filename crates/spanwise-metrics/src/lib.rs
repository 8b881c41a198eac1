#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod model;
mod otlp;
mod recorder;
mod text;

pub use model::{
    Exemplar, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, Metric, MetricData,
    MetricError, MetricsSnapshot, Number, NumberPoint,
};
pub use otlp::encode_request;
pub use recorder::{
    CounterRecorder, ExponentialHistogramRecorder, ExponentialHistogramRecorderBuilder,
    HistogramRecorder, HistogramRecorderBuilder, ObservedSpan, RecorderError,
    UpDownCounterRecorder,
};
pub use spanwise_wire::{Attribute, OwnedValue, SpanId, StringValue, TraceId};
pub use text::{TextEncoder, TextFormat};

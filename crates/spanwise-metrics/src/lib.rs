#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod attributes;
mod model;
mod otlp;
mod recorder;
mod text;

pub use attributes::{AttributeKey, AttributePlace, AttributeReport, AttributeSketch};
pub use model::{
    Exemplar, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, Metric, MetricData,
    MetricError, MetricsSnapshot, Number, NumberPoint,
};
pub use otlp::encode_request;
pub use recorder::{
    CounterRecorder, ExponentialHistogramRecorder, ExponentialHistogramRecorderBuilder,
    HistogramFamilyRecorder, HistogramRecorder, HistogramRecorderBuilder, ObservedSpan,
    RecorderError, SeriesId, SeriesRecorder, UpDownCounterRecorder,
};
pub use spanwise_wire::{Attribute, OwnedValue, SpanId, StringValue, TraceId};
pub use text::{TextEncoder, TextFormat};

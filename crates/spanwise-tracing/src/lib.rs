#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

mod fields;
mod filtered;
#[cfg(feature = "http")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod http;
mod layer;
mod metadata;
mod option_methods;
mod options;
mod span_ext;
mod spans;
mod subscriber;
#[cfg(feature = "fmt")]
mod trace_ids;

pub use filtered::FilteredSpanwiseLayer;
pub use layer::{SpanwiseLayer, layer};
pub use span_ext::{OpenTelemetrySpanExt, SetParentError, get_otel_context};
pub use subscriber::{SpanwiseSubscriber, subscriber};
#[cfg(feature = "fmt")]
pub use trace_ids::TraceIds;

/// The programs of the page are compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-tracing-opentelemetry.md")]
struct FromTracingOpentelemetryPage;

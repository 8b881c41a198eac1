//! The span model: the types that every crate of the workspace describes spans with.

mod attribute;
mod convert;
mod flags;
mod ids;
mod kind;
mod link;
#[cfg(feature = "opentelemetry")]
mod otel;
mod owned_value;
mod status;
mod string_value;
mod value;

pub use attribute::Attribute;
pub use flags::{SpanFlags, TraceFlags};
pub use ids::{SpanId, TraceId};
pub use kind::SpanKind;
pub use link::LinkedContext;
#[cfg(feature = "opentelemetry")]
pub(crate) use otel::known;
pub use owned_value::OwnedValue;
pub use status::{Status, StatusCode};
pub use string_value::StringValue;
pub use value::Value;

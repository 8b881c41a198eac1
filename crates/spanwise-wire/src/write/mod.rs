//! Writing spans as OTLP bytes, in place.

mod array;
mod attribute_key;
mod attributes;
mod check;
mod decimal;
mod depth;
mod dropped;
mod encode;
mod event;
mod finished;
mod inner;
mod key_filter;
mod link;
mod native;
#[cfg(feature = "opentelemetry")]
mod otel;
mod primitive;
mod raw;
mod scope;
mod short;
mod span;
mod tags;
mod trace_state_field;
mod truncate;
mod unfinished;
mod value;
mod varint;
mod written;

pub use array::Array;
pub use attribute_key::AttributeKey;
pub use dropped::DroppedCounts;
pub use encode::EncodeValue;
pub use event::EventHeader;
pub use finished::{EncodeSpan, FinishedSpan, SpanHeader};
pub(crate) use raw::RawWriter;
pub use scope::{encode_resource, encode_scope};
pub use span::SpanWriter;
pub use trace_state_field::TraceStateField;
pub use truncate::truncate;
pub(crate) use varint::bytes_len;
pub use varint::{put_bytes, put_message, put_varint, varint_len};

//! Writing spans as OTLP bytes, in place.

mod attributes;
mod check;
mod decimal;
mod depth;
mod finished;
mod native;
mod raw;
mod scope;
mod span;
mod unfinished;
mod value;
mod varint;

pub use finished::{EncodeSpan, FinishedSpan, SpanHeader};
pub(crate) use raw::RawWriter;
pub use scope::{encode_resource, encode_scope};
pub use span::{DroppedCounts, FLAG_HAS_IS_REMOTE, FLAG_IS_REMOTE, LinkedContext, SpanWriter};
pub use value::{Array, EncodeValue, Scalar, Value, truncate};
pub(crate) use varint::bytes_len;
pub use varint::{put_varint, varint_len};

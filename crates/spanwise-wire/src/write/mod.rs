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
pub(crate) use raw::Room;
pub use scope::{encode_resource, encode_scope};
pub use span::{FLAG_HAS_IS_REMOTE, FLAG_IS_REMOTE, LinkTarget, Losses, SpanWriter};
pub use value::{Array, EncodeValue, Scalar, Value, truncate};
pub(crate) use varint::bytes_len;
pub use varint::{put_varint, varint_len};

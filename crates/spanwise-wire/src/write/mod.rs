//! Writing spans as OTLP bytes, in place.

mod attributes;
mod raw;
mod scope;
mod span;
mod unfinished;
mod value;
mod varint;

pub use scope::{encode_resource, encode_scope};
pub use span::{FLAG_HAS_IS_REMOTE, FLAG_IS_REMOTE, LinkTarget, Losses, SpanHeader, SpanWriter};
pub use value::{Array, EncodeValue, Value, truncate};
pub(crate) use varint::bytes_len;
pub use varint::{put_varint, varint_len};

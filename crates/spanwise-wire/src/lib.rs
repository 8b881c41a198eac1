#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

mod chunk;
mod debug;
mod frame;
pub mod json;
mod limits;
mod meta;
mod model;
mod order;
pub mod read;
mod split;
pub mod write;

pub use chunk::Chunk;
pub use frame::{Framer, Plan, Position, Request, RequestLimits};
pub use limits::SpanLimits;
pub use meta::SpanMeta;
pub use model::{
    Attribute, LinkedContext, OwnedValue, SpanFlags, SpanId, SpanKind, Status, StatusCode,
    StringValue, TraceFlags, TraceId, Value,
};
pub use order::RequestOrder;
pub use split::RequestPart;

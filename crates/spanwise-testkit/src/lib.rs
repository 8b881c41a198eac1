#![doc = include_str!("../README.md")]

pub mod allocator;
mod canonical;
mod compare;
mod decode;
pub mod fault_proxy;
pub mod generate;
mod known_fields;
mod render;
mod replay;
mod spec;
mod stock;

pub use allocator::{CountingAllocator, Counts, Heap};
pub use canonical::{canonical, forget_generated_ids};
pub use compare::{assert_same_spans, difference};
pub use decode::{NotStrict, attributes_map, decode, spans, try_decode};
pub use fault_proxy::{Fault, FaultProxy};
pub use replay::{replay, replay_on};
pub use spec::{Details, SpanSpec};
pub use stock::stock_request;

//! Oracles for encoded spans: random spans, a strict decoder, the comparison with the stock SDK.

mod canonical;
mod compare;
mod decode;
pub mod generate;
mod known_fields;
mod render;
mod replay;
mod spec;
mod stock;

pub use canonical::{canonical, forget_generated_ids};
pub use compare::{assert_same_spans, difference};
pub use decode::{NotStrict, attributes_map, decode, spans, try_decode};
pub use replay::{replay, replay_on};
pub use spec::{Details, SpanSpec};
pub use stock::stock_request;

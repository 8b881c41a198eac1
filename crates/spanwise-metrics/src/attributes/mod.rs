//! A report about the attributes of spans: which keys make the bytes, and how many values they have.

mod advice;
mod distinct;
mod heavy_keys;
mod report;
mod sketch;

pub use report::{AttributeKey, AttributePlace, AttributeReport};
pub use sketch::AttributeSketch;

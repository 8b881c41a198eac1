//! Rewriting of encoded messages: copies what no rule changes.

mod any_value;
mod apply;
mod attribute;
mod candidates;
mod masking;
mod message;
mod number;
mod output;
mod plan;
mod rewriter;
mod shape;

pub(crate) use masking::{HashKey, Masking};
pub use message::Scratch;
pub(crate) use plan::Plans;
pub(crate) use rewriter::{Applied, Rewriter};
pub(crate) use shape::{REQUEST, RESOURCE, SCOPE, SPAN, Shape};

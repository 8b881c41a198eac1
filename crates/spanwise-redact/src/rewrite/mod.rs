//! Rewriting of encoded messages: copies what no rule changes.

mod apply;
mod attribute;
mod message;
mod rewriter;
mod shape;
mod value;

pub(crate) use apply::Applied;
pub(crate) use message::Rewritten;
pub use message::Scratch;
pub(crate) use rewriter::Rewriter;
pub(crate) use shape::{REQUEST, RESOURCE, SCOPE, SPAN, Shape};

//! Rewriting of encoded messages: copies what no rule changes.

mod apply;
mod attribute;
mod message;
mod shape;
mod value;

pub(crate) use apply::Applied;
pub use message::Scratch;
pub(crate) use message::{Rewriter, Rewritten};
pub(crate) use shape::{REQUEST, RESOURCE, SCOPE, SPAN, Shape};

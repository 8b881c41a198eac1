//! Rules: which parts of a span, which keys, which values, and what is done with them.

mod action;
mod one;
mod target;

pub use action::Action;
pub use one::Rule;
pub(crate) use one::{KeyPattern, Replace};
pub use target::{Target, Targets};

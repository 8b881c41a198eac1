#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod document;
mod field;
mod findings;
mod go_duration;
mod limits;
mod loader;
mod mapping;
mod names;
mod node;
mod path;
mod position;
mod problem;
mod regular_file;
mod scalar;
mod substitution;
mod unset;

pub use document::{Document, Read};
pub use field::Field;
pub use limits::{MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES};
pub use mapping::Mapping;
pub use names::hint;
pub use position::Position;
pub use problem::{Problem, Problems};
pub use scalar::Scalar;

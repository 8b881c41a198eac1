#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod arguments;
pub mod settings;
mod stage;

pub use arguments::run;

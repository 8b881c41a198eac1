#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod builder;
mod compiled;
#[cfg(feature = "config")]
mod config;
mod error;
mod explanation;
mod preset;
mod redactor;
mod rewrite;
mod rule;

pub use builder::RedactorBuilder;
pub use error::RedactError;
pub use explanation::Explanation;
pub use preset::Preset;
pub use redactor::{Redacted, Redactor, RuleCount};
pub use rewrite::Scratch;
pub use rule::{Action, Rule, Target, Targets};

//! Conditions of the OpenTelemetry Transformation Language.
//!
//! `lexer` → `parser` → `ast` the text; `compiled`, `field`, `function` names resolved and evaluated; `value` the types.

mod ast;
mod compiled;
mod condition;
mod error;
mod field;
mod function;
mod json;
mod lexer;
mod parser;
mod value;

pub(crate) use compiled::{Compiled, Scope};
pub use condition::{ErrorMode, OttlConditionPolicy};
pub(crate) use condition::{OttlCondition, SpanCondition, check_condition};
pub(crate) use error::OttlError;
pub(crate) use field::{Context, Subject};

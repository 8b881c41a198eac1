//! Explanations of decisions: which policy, which span, which value.
//!
//! `explainer` decides which traces are explained and puts the votes together; `finder` looks for the span and the value behind each
//! vote; `explanation` is the result, `filter` the choice of traces.

mod explainer;
mod explanation;
mod filter;
mod finder;
mod of_request;

pub(crate) use explainer::Explainer;
pub use explanation::{Evidence, EvidenceSpan, Explanation, PolicyExplanation};
pub use filter::ExplainFilter;
pub(crate) use finder::ExplainedTrace;
pub use of_request::ExplainError;

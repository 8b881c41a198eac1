//! Encoded spans, read by implementations of others. `docs/STYLE.md` has the rule for files beside this folder.

#![allow(
    clippy::needless_borrows_for_generic_args,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must fail"
)]

#[path = "../support/mod.rs"]
mod support;

mod debug;
mod dropped_before;
mod foreign_spans;
mod frame;
mod frame_grouping;
mod json;
mod json_depth;
mod model;
mod native;
mod nested_arrays;
mod order;
#[cfg(feature = "opentelemetry")]
mod otel;
mod split;
mod split_by_trace;
mod values;

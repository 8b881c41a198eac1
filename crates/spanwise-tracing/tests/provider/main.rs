//! Spans of `tracing` with every part of a provider. The oracles are the spans that a receiver decodes, the number of spans that
//! a test made, and the OpenTelemetry API's own view of the current context.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod context;
mod full_queue;
#[path = "../harness/mod.rs"]
mod harness;
mod metrics;
mod mixed;
mod processors;
mod sampling;
mod states;
mod tail;
mod tasks;

//! The ends of things: of a provider, a layer, a thread, a process, and of code by a panic. The oracles are the spans that a
//! receiver decodes, the number of spans that a test made, and the exit of the process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

#[cfg(unix)]
mod forks;
#[path = "../harness/mod.rs"]
mod harness;
mod owners;
mod panics;
mod threads;

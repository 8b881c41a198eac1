//! The spool on a disk. One program, because each program of tests is linked alone; a test that needs a process of its own is beside it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on must fail"
)]

#[path = "../support/indexes.rs"]
mod indexes;
#[path = "../support/mod.rs"]
mod support;

mod client;
#[cfg(feature = "model")]
mod damage;
mod dictionary;
mod find;
mod index;
mod index_damage;
mod queue;
mod reader;
mod retention;
mod thread;

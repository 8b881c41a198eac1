//! The spool on a disk. `docs/STYLE.md` has the rule for files beside this folder.

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

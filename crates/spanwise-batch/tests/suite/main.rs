//! Batches, budgets and shards. `docs/STYLE.md` has the rule for files beside this folder.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "../support/mod.rs"]
mod support;

mod batch_size;
mod budget;
mod compact;
mod debug;
mod fill;
mod flush_schedule;
mod queue;
mod set_sizes;
mod sharded_buffer;
mod threads;
mod waiting;

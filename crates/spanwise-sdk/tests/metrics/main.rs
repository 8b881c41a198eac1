//! [`Spanwise::metrics`](spanwise_sdk::Spanwise::metrics): the rows of the documented table, and their values under faults.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod components;
mod conventions;
mod never_falls;
mod points;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod values;

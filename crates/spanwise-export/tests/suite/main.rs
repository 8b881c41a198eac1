//! The exporter against transports and disks of every kind. `docs/STYLE.md` has the rule for files beside this folder.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "../support/mod.rs"]
mod support;

mod batching;
mod destination_limits;
mod destinations;
mod disk_spool;
mod exporter;
mod hold_back;
mod machine;
mod refusal;
mod request_size;
mod reset;
mod reset_relay;
mod resource;
mod settings;
mod shed_controller;
mod shedding;
mod spool;
mod spool_law;
mod tail_law;
mod tail_sampling;
mod too_large;
mod transport;

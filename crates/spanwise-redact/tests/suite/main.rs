//! Rules over spans, by what is left of them. `docs/STYLE.md` has the rule for files beside this folder.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must fail"
)]

#[path = "../support/mod.rs"]
mod support;

mod actions;
mod corpus;
#[cfg(feature = "config")]
mod files;
mod model;
mod page;
mod presets;
#[cfg(feature = "config")]
mod table;

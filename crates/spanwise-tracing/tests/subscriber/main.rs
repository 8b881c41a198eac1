//! The subscriber without a registry.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod behaviour;
mod exported;
mod hostile;
mod same_as_registry;

//! The receiver, as its clients see it. One program, because each program of tests is linked alone; a test that needs a process of its own is beside it.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "../support/mod.rs"]
mod support;

mod abuse;
mod floods;
mod grpc;
mod host;
mod http;
mod inline;
mod json;
mod limits;
mod slow;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "zstd")]
mod zstd;

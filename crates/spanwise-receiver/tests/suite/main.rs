//! The receiver, as its clients see it. `docs/STYLE.md` has the rule for files beside this folder.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "../support/mod.rs"]
mod support;

mod abuse;
mod age;
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

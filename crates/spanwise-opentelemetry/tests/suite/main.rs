//! The plug-ins in the stock SDK. `docs/STYLE.md` has the rule for files beside this folder.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[cfg(feature = "processor")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "processor")]
mod exporter;
#[cfg(feature = "processor")]
mod faults;
#[cfg(feature = "processor")]
mod lifecycle;
#[cfg(feature = "native")]
mod native_diagnostics;
#[cfg(feature = "native")]
mod native_exporter;
#[cfg(feature = "native")]
mod native_processor;
#[cfg(feature = "processor")]
mod pipeline_metrics;
#[cfg(all(feature = "processor", feature = "redaction"))]
mod redaction;
#[cfg(all(feature = "processor", feature = "redaction"))]
mod redaction_file;
#[cfg(feature = "processor")]
mod same_spans;
#[cfg(feature = "sampler")]
mod sampler;
#[cfg(feature = "processor")]
mod settings;
#[cfg(feature = "spool")]
mod spool;

//! The tracer provider against a receiver. `docs/STYLE.md` has the rule for files beside this folder.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "../support/headers.rs"]
mod headers;
#[path = "../../../spanwise-sampling/tests/support/reader.rs"]
mod reader;
#[path = "../support/mod.rs"]
mod support;

mod baggage;
mod budget;
mod circuit_breaker;
mod compression;
mod config;
#[cfg(feature = "config-file")]
mod config_page;
mod differential;
mod doctor_settings;
#[cfg(feature = "jaeger")]
mod exporter_none;
mod faults;
mod further_destinations;
#[cfg(feature = "http")]
mod http_headers;
mod invariant;
mod metrics_export;
mod passed_on;
mod pooled;
mod processor_lifecycle;
mod processors;
mod queue;
#[cfg(all(feature = "config-file", feature = "redaction"))]
mod redaction_file;
mod redaction_missing;
mod reload;
#[cfg(feature = "config-file")]
mod reload_file;
mod sampled_by_ratio;
#[cfg(all(feature = "jaeger", feature = "xray"))]
mod sampling;
mod secure_endpoints;
mod sink;
#[cfg(all(feature = "config-file", feature = "spool"))]
mod spool;
#[cfg(all(feature = "config-file", feature = "tail-sampling"))]
mod tail_policies;
mod tail_sampling;
mod too_large;
mod trace_context;
mod tracer_configurator;
mod whole_traces;

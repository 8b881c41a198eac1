//! Each sampler, by its decisions. `docs/STYLE.md` has the rule for files beside this folder.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "../support/reader.rs"]
mod reader;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "xray")]
#[path = "../support/xray.rs"]
mod xray;

mod adaptive;
mod adaptive_keys;
mod consistency;
mod decisions;
#[cfg(all(feature = "dynamic", feature = "rate-limit"))]
mod dynamic;
#[cfg(all(feature = "dynamic", feature = "opentelemetry", feature = "rate-limit"))]
mod fast_result;
#[cfg(feature = "jaeger")]
mod jaeger;
#[cfg(all(feature = "jaeger", feature = "rate-limit", feature = "xray"))]
mod passed_on;
#[cfg(feature = "rate-limit")]
mod rate_limited;
#[cfg(all(feature = "jaeger", feature = "rate-limit", feature = "xray"))]
mod redaction;
#[cfg(all(feature = "jaeger", feature = "rate-limit", feature = "xray"))]
mod settings;
#[cfg(feature = "opentelemetry")]
mod stock;
mod threshold;
mod trace_state;
#[cfg(all(feature = "dynamic", feature = "jaeger", feature = "rate-limit", feature = "xray"))]
mod whole_traces;
#[cfg(feature = "xray")]
mod xray_limits;
#[cfg(feature = "xray")]
mod xray_poller;
#[cfg(feature = "xray")]
mod xray_rules;

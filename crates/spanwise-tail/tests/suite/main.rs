//! Tail sampling from its settings to its decisions. `docs/STYLE.md` has the rule for files beside this folder.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must fail"
)]

#[path = "../support/mod.rs"]
mod support;

mod collector_yaml;
mod explain;
mod five_policies;
mod limits;
mod metrics;
mod node_yaml;
mod ottl;
mod policies;
mod probabilistic_sampler;
mod processor;
mod record_policy;
mod reload;
mod rule_settings;
mod rules;
mod span_ingest;
mod stress;
mod tail_policies;
mod threads_reentry;
mod threads_settings;
mod thresholds;

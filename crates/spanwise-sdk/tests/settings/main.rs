//! Settings from code and from environment variables: precedence, values, checks and reports.
//!
//! "Env" is the specification's *Environment Variable Specification*, "OTLP" its *OpenTelemetry
//! Protocol Exporter*.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod bad_input;
mod batching;
mod errors;
mod explain;
mod names;
#[cfg(unix)]
mod not_utf8;
mod production;
mod proxies;
mod ranges_in_code;
mod secrets;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod unused;
mod values;

use bytes::Bytes;
use spanwise_sdk::{BuildError, Spanwise, SpanwiseBuilder};
use spanwise_transport::Outcome;
use std::future::ready;
use std::time::Duration;
use support::DiagnosticLog;

type Variables<'a> = &'a [(&'a str, &'a str)];

/// A builder whose environment has these variables.
fn with(variables: Variables<'_>) -> SpanwiseBuilder {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Spanwise::builder()
        .with_diagnostics(|_| {})
        .with_shutdown_timeout(Duration::ZERO)
        .with_environment(move |name| {
            variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
}

/// [`with`], and a sink instead of the network.
fn sunk(variables: Variables<'_>) -> SpanwiseBuilder {
    with(variables).with_sink(|_: Bytes| ready(Outcome::Accepted { rejected: 0, message: None }))
}

fn error(builder: SpanwiseBuilder) -> BuildError {
    match builder.build() {
        Ok(_) => panic!("it was built"),
        Err(error) => error,
    }
}

/// The diagnostics of a `build` that succeeds.
fn lines(builder: SpanwiseBuilder) -> Vec<String> {
    let log = DiagnosticLog::default();
    drop(log.attach(builder).build().unwrap());
    log.lines()
}

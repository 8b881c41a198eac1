//! Foreign crates and types that public signatures may name.

/// One crate of the workspace that may name a foreign crate, a module or a type of it.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    pub name: &'static str,
    /// A path, where the type is defined.
    pub foreign: &'static str,
    pub reason: &'static str,
}

const fn entry(name: &'static str, foreign: &'static str, reason: &'static str) -> Allowed {
    Allowed { name, foreign, reason }
}

pub const ALLOWED: &[Allowed] = &[
    entry("spanwise", "bytes", "a sink of the user takes requests as `Bytes`"),
    entry("spanwise", "opentelemetry", "the API that the facade implements"),
    entry(
        "spanwise",
        "tracing_subscriber",
        "feature `tracing-init`: the program chooses the layer of its logs",
    ),
    entry("spanwise-bytes", "bytes", "its types are views and chains of `Bytes`"),
    entry("spanwise-opentelemetry", "bytes", "a sink of the user takes requests as `Bytes`"),
    entry("spanwise-opentelemetry", "opentelemetry", "arguments of the SDK's sampler"),
    entry("spanwise-opentelemetry", "opentelemetry_sdk", "the SDK whose sampler it implements"),
    entry(
        "spanwise-opentelemetry",
        "tokio::runtime::handle::Handle",
        "feature `native`: an exporter of the user runs with a runtime of the user",
    ),
    entry("spanwise-pool", "bytes", "a pooled buffer becomes `Bytes` without a copy"),
    entry("spanwise-receiver", "bytes", "bodies and answers without a copy"),
    entry("spanwise-sampling", "opentelemetry", "feature `opentelemetry`: the API's contexts"),
    entry("spanwise-sdk", "bytes", "a sink of the user takes requests as `Bytes`"),
    entry(
        "spanwise-sdk",
        "http::header::map::HeaderMap",
        "feature `http`: propagation through the headers of hyper, axum, reqwest and tonic",
    ),
    entry("spanwise-sdk", "opentelemetry", "the API that the provider implements"),
    entry(
        "spanwise-wire",
        "opentelemetry",
        "feature `opentelemetry`: conversions from and to the API",
    ),
    entry("spanwise-tracing", "http", "feature `http`: requests of axum, hyper, reqwest and tonic"),
    entry("spanwise-tracing", "opentelemetry", "its contexts are those of the API"),
    entry("spanwise-tracing", "tracing", "the spans that it extends"),
    entry("spanwise-tracing", "tracing_core", "the spans and subscribers of `tracing`"),
    entry("spanwise-tracing", "tracing_subscriber", "it is a layer of that crate's subscribers"),
    entry("spanwise-transport", "bytes", "requests and answers without a copy"),
    entry(
        "spanwise-worker",
        "tokio::runtime::handle::Handle",
        "a `TokioPool` runs on a runtime of the user",
    ),
];

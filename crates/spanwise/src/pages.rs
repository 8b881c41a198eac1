//! Pages whose examples are compiled with those of this crate.

/// The examples of the workspace's README are compiled with those of this crate. One of them reads a configuration file, and
/// one has rules of redaction.
#[cfg(all(doctest, feature = "config-file", feature = "redaction"))]
#[doc = include_str!("../../../README.md")]
struct WorkspaceReadme;

/// The example of the page about production is compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/production.md")]
struct ProductionPage;

/// So are the recipes of the page about `tracing`.
#[cfg(all(doctest, feature = "http", feature = "testing", feature = "tracing-init"))]
#[doc = include_str!("../../../docs/tracing.md")]
struct TracingPage;

//! The workloads' spans as `tracing` macros, recorded by `spanwise-tracing`.
//!
//! `spanwise-tracing` has the layer's defaults, `spanwise-tracing-no-context` makes no span the current one of the
//! OpenTelemetry API, and `spanwise-tracing-subscriber` has no registry either. All keep to INFO and above, as their rivals do.

use spanwise::Spanwise;
use spanwise_bench_harness::{Workload, tracing_macros};
use spanwise_tracing::SpanwiseLayer;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing_subscriber::layer::SubscriberExt as _;

/// Whether the implementation records the spans of `tracing`.
pub(crate) fn is_of(implementation: &str) -> bool {
    implementation.starts_with("spanwise-tracing")
}

/// Makes the subscriber of `implementation` the one of the process.
///
/// # Errors
/// A message for an unknown implementation, or for a workload that the macros do not make.
pub(crate) fn install(
    provider: &Spanwise,
    workload: &Workload,
    implementation: &str,
) -> Result<(), String> {
    if !tracing_macros::is_possible(workload.shape) {
        return Err(format!("{implementation} does not run {}", workload.name));
    }
    // Another allocator is another binary.
    let system = implementation.strip_suffix("-jemalloc");
    let layer = spanwise_tracing::layer(provider);
    match system.or(implementation.strip_suffix("-mimalloc")).unwrap_or(implementation) {
        "spanwise-tracing" => on_registry(layer),
        "spanwise-tracing-no-context" => on_registry(layer.with_context_activation(false)),
        // Its own filter has the same default.
        "spanwise-tracing-subscriber" => set_global_default(
            spanwise_tracing::subscriber(provider)
                .with_max_level(LevelFilter::INFO)
                .with_context_activation(false),
        ),
        other => return Err(format!("no implementation {other}")),
    }
    .map_err(|error| error.to_string())
}

/// One filter for the subscriber, as programs have it, and not one of the layer, for which the registry looks spans up again.
fn on_registry(layer: SpanwiseLayer) -> Result<(), SetGlobalDefaultError> {
    set_global_default(tracing_subscriber::registry().with(LevelFilter::INFO).with(layer))
}

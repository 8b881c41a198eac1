//! `tracing::init`: filter, logs, layer and provider in one call.

mod builder;
mod error;
mod filter;
mod subscriber;

pub use builder::TracingBuilder;
pub use error::InitError;

use crate::Guard;

/// Initializes `tracing` from the environment: logs on the standard output, as `tracing_subscriber::fmt::init` prints them, and
/// the spans to OpenTelemetry, until the guard is dropped.
///
/// ```no_run
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let _tracing = spanwise::tracing::init()?;
///     tracing::info_span!("order", order.id = 7).in_scope(|| tracing::info!("paid"));
///     Ok(()) // where the service has run
/// }
/// ```
///
/// - `RUST_LOG` filters both, logs and spans; `info` without it. A directive that is invalid is reported and ignored, and the others apply.
/// - Records of the crate `log` are logged too, unless the program has a logger.
/// - `OTEL_*` variables configure the provider, and the global provider and propagators are set, as by [`init`](crate::init()).
/// - Dropping the guard sends the spans that are left, for at most five seconds.
/// - Spans and events of Spanwise's own threads reach no subscriber.
///
/// [`builder`] has the choices.
///
/// # Errors
/// [`InitError`]: the program has a subscriber, or the provider cannot start. No global has changed then.
pub fn init() -> Result<Guard, InitError> {
    builder().init()
}

/// A builder of what [`init`] starts.
///
/// ```no_run
/// use spanwise::Spanwise;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let _tracing = spanwise::tracing::builder()
///         .with_provider(Spanwise::builder().with_service_name("shop").with_sampling_ratio(0.1))
///         .with_default_filter("info,hyper=warn")
///         .with_trace_ids(true)
///         .with_layer(|layer| layer.with_location(true))
///         .init()?;
///     Ok(())
/// }
/// ```
pub fn builder() -> TracingBuilder {
    TracingBuilder::default()
}

//! The start of a span: its ids, the sampler's decision, its trace state. One value, [`SpanStart`],
//! holds all of it before a record exists.
//!
//! [`SpanStart`]: crate::record::SpanStart

mod decide;
mod ids;
mod observed;
mod pooled;
mod refusal;
mod restarted;
mod sampler_context;
mod scopes;
mod shedding;
mod started;
mod suppression;
mod tracer;
mod tracer_config;

pub(crate) use sampler_context::SdkSamplerContext;
pub(crate) use scopes::Scopes;
pub use suppression::is_context_readable;
pub(crate) use suppression::is_suppressed;
pub use tracer::Tracer;
pub(crate) use tracer::suppressed;
pub use tracer_config::TracerConfig;
pub(crate) use tracer_config::TracerConfigurator;

//! Span processors of a provider.

use super::builder::{SHUTDOWN_TIMEOUT, SpanwiseBuilder};
use super::capacity::BUDGET;
use super::resource::Resource;
use crate::core::{Core, Phase};
use crate::diagnostics::{EndpointHealth, Reporter};
use crate::lifecycle::Handle;
use crate::processor::{Processors, SpanObserver, SpanProcessor};
use crate::provider::Spanwise;
use crate::span_metrics::SpanMetricsRecorder;
use crate::start::Scopes;
use spanwise_batch::{Budget, ShardedBuffer, ShardedBufferConfig};
use spanwise_export::{ScopeTable, SpanQueue};
use spanwise_ledger::Ledger;
use spanwise_sampling::{DynamicSampler, Sampler};
use spanwise_wire::SpanLimits;
use std::sync::Arc;

impl SpanwiseBuilder {
    /// Adds a span processor, which sees each recorded span at its start and at its end, beside the
    /// export. Processors are called in the order of these calls; see [`SpanProcessor`] for their cost.
    ///
    /// With [`Exporter::None`](crate::Exporter::None) the provider records spans for its processors alone,
    /// and its ledger counts none. A span of [`Tracer::start_pooled`](crate::Tracer::start_pooled) passes
    /// through [`on_end`](SpanProcessor::on_end) alone. A disabled SDK calls no processor.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::opentelemetry::{Context, baggage::BaggageExt};
    /// use spanwise::{ReadableSpan, Span, SpanProcessor, Spanwise};
    ///
    /// /// Copies the tenant from the baggage to each span, and prints slow spans.
    /// struct Tenant;
    ///
    /// impl SpanProcessor for Tenant {
    ///     fn on_start(&self, span: &mut Span, parent: &Context) {
    ///         if let Some(tenant) = parent.baggage().get("tenant") {
    ///             span.attribute("tenant", tenant.as_str());
    ///         }
    ///     }
    ///
    ///     fn on_end(&self, span: &ReadableSpan<'_>) {
    ///         if span.meta().duration_nanos > 1_000_000_000 {
    ///             eprintln!("slow: {} {:?}", span.name(), span.attribute("tenant"));
    ///         }
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let _spanwise = Spanwise::builder().with_span_processor(Tenant).build()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn with_span_processor(mut self, processor: impl SpanProcessor) -> Self {
        self.processors.push(Arc::new(processor));
        self
    }

    /// A provider that exports nothing, and records spans for its processors and metrics.
    pub(super) fn with_processors_alone(
        self,
        (sampler, limits, span_metrics): (Sampler, SpanLimits, Option<Box<SpanMetricsRecorder>>),
        resource: &Resource,
        reporter: &Reporter,
    ) -> Spanwise {
        let buffer = ShardedBuffer::new(ShardedBufferConfig::default(), Budget::new(BUDGET));
        let queue = SpanQueue::new(buffer, Ledger::new(), self.on_full);
        let redaction = self.span_redaction();
        let processors = Processors::new(self.processors, &resource.encoded, queue.ledger());
        let scopes = Scopes::new(ScopeTable::new(MAX_SCOPES_BYTES));
        let sampler = DynamicSampler::new(sampler);
        let core = Core::new(Phase::NotExporting, limits, sampler, scopes, queue);
        let core = core.with_span_metrics(span_metrics).with_redaction(redaction);
        let core = Arc::new(core.with_observer(as_observer(&processors)));
        let timeout = self.shutdown_timeout.unwrap_or(SHUTDOWN_TIMEOUT);
        let health = EndpointHealth::new(reporter.clone());
        let handle = Handle::new(core, None, health, timeout);
        let handle = handle.with_tracer_configurator(self.tracer_configurator);
        Spanwise::new(handle.with_processors(processors))
    }
}

/// The processors as the end of a span sees them.
pub(super) fn as_observer(processors: &Option<Arc<Processors>>) -> Option<Arc<dyn SpanObserver>> {
    processors.clone().map(|processors| processors as Arc<dyn SpanObserver>)
}

/// Bytes of all instrumentation scopes of a provider that exports nothing.
const MAX_SCOPES_BYTES: usize = 1 << 20;

//! [`Pipeline`]: the exporting half of a provider, for spans that another SDK records.

use crate::config::{BuildError, Exporter, SpanwiseBuilder};
use crate::core::{Core, Phase};
use crate::lifecycle::{FlushError, Report};
use crate::provider::Spanwise;
use crate::redaction::RedactionBuffers;
use opentelemetry::{InstrumentationScope, Key, Value};
use spanwise_export::SpanQueue;
use spanwise_sampling::Sampler;
use spanwise_wire::SpanLimits;
use spanwise_wire::write::FinishedSpan;
use spanwise_worker::deadline;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The queue, the exporter, the ledger and the diagnostics of a provider, without its tracers.
///
/// Another SDK has sampled the spans and applied its limits. The export follows the settings and variables of
/// a [`SpanwiseBuilder`], except for the sampler, the propagators, and limits of counts. Clones share it.
#[derive(Clone)]
pub struct Pipeline {
    spanwise: Spanwise,
    /// The core of `spanwise`, one pointer nearer.
    core: Arc<Core>,
    /// Those of `core`, which no call replaces here.
    limits: SpanLimits,
    export_timeout: Duration,
}

/// The part of the stock SDK in front of a [`Pipeline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// Spans arrive one by one, as they end.
    Processor,
    /// A batching processor of the stock SDK passes batches: its variables are not ours.
    Exporter,
}

impl Pipeline {
    /// Checks the settings and starts the exporter.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn start(builder: SpanwiseBuilder, front: Front) -> Result<Self, BuildError> {
        let builder = match front {
            Front::Processor => builder,
            Front::Exporter => builder.without_batching_variables(),
        };
        let export_timeout = builder.export_timeout();
        let spanwise = builder
            .for_spans_of_the_stock_sdk()
            .with_sampler(Sampler::always_on())
            .with_exporter(Exporter::Otlp)
            .build()?;
        let core = spanwise.handle.core.clone();
        let limits = core.limits.load();
        Ok(Self { spanwise, core, limits, export_timeout })
    }

    /// The timeout of a request with its retries.
    pub fn export_timeout(&self) -> Duration {
        self.export_timeout
    }

    /// Whether `OTEL_SDK_DISABLED` is true: spans are neither exported nor counted.
    pub fn is_disabled(&self) -> bool {
        self.core.phase() == Phase::Disabled
    }

    /// Whether tail sampling decides also about recorded spans that are not sampled.
    #[inline(always)]
    pub fn records_all(&self) -> bool {
        self.core.records_all
    }

    /// The queue of ended spans, which has the ledger.
    #[inline(always)]
    pub fn queue(&self) -> &SpanQueue {
        &self.core.queue
    }

    /// The limits of an encoded span.
    #[inline(always)]
    pub fn limits(&self) -> &SpanLimits {
        &self.limits
    }

    /// Passes a finished span to `then`, after redaction if there are rules.
    #[inline]
    pub fn redacted<T>(
        &self,
        span: FinishedSpan<'_>,
        buffers: &mut RedactionBuffers,
        then: impl FnOnce(&FinishedSpan<'_>) -> T,
    ) -> T {
        let Some(redaction) = &self.core.redaction else { return then(&span) };
        redaction.redact(span, self.limits.span_bytes, buffers, |span, dropped| {
            if !dropped.is_none() {
                self.core.queue.count_dropped(dropped);
            }
            then(span)
        })
    }

    /// The index of `scope`, the same each time for equal scopes.
    ///
    /// # Cost
    /// Encodes the scope and looks it up under a lock.
    pub fn scope(&self, scope: &InstrumentationScope) -> u32 {
        self.core.scope(scope)
    }

    /// Replaces the resource of all requests from now on. Attributes that do not fit are left out and
    /// reported.
    pub fn set_resource<'a>(
        &self,
        attributes: impl IntoIterator<Item = (&'a Key, &'a Value)>,
        schema_url: &str,
    ) {
        let attributes = attributes.into_iter().map(|(key, value)| (key.as_str(), value));
        self.spanwise.handle.set_resource(attributes.collect(), schema_url);
    }

    /// The provider, whose spans no tracer makes: for its ledger and its lifecycle.
    pub fn provider(&self) -> &Spanwise {
        &self.spanwise
    }

    /// As [`Spanwise::force_flush_timeout`], for a task of any runtime, which it does not block. The future has no
    /// timer of its own, and stays pending while a sink blocks the exporter's thread.
    ///
    /// # Errors
    /// See [`FlushError`].
    pub async fn flush_async(&self, timeout: Duration) -> Result<Report, FlushError> {
        self.spanwise.handle.flush_async(deadline(Instant::now(), timeout)).await
    }

    /// Endpoint and cause of the last failed attempt, if it is recent.
    pub fn last_failure(&self) -> Option<String> {
        self.spanwise.handle.last_failure()
    }
}

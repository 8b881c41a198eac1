//! [`BatchSpanProcessor`]: a span processor that encodes each span at its end.

use crate::encode::Encoder;
use crate::sdk_result;
use crate::settings::{batch_settings, export_settings};
use opentelemetry::Context;
use opentelemetry::metrics::Meter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use spanwise_metrics::MetricsSnapshot;
use spanwise_sdk::__private::{Front, Pipeline};
use spanwise_sdk::{
    BuildError, DynamicBatchConfig, FlushError, OnFull, Report, Snapshot, Spanwise, SpanwiseBuilder,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A [`SpanProcessor`] in place of the SDK's `BatchSpanProcessor` and its exporter: it writes each span as
/// OTLP bytes on the thread that ends it, and one thread of its own sends them in batches.
///
/// Clones share the queue, the thread and the ledger. Give one clone to the provider, and read the
/// [`ledger`](Self::ledger) of another one. The drop of the last clone starts a shutdown and returns at once.
///
/// - A span that is not sampled (`RecordOnly`) is not exported, and counts as sampled out; with
///   [tail sampling](BatchSpanProcessorBuilder::with_tail_sampling), its trace decides.
/// - `force_flush` waits until each span that ended before has its outcome, and is an error if a
///   request lost spans.
/// - After `shutdown` a span counts as `after_shutdown`, and a second `shutdown` returns
///   `AlreadyShutdown`.
/// - Flush and shutdown work from any thread, inside or outside of any async runtime.
/// - In a forked child spans count as `worker_unavailable`: build a processor after the fork.
///
/// # Cost
/// The end of a span costs the copy of its data into OTLP bytes, and allocates nothing once caches are warm.
#[derive(Clone)]
pub struct BatchSpanProcessor {
    shared: Arc<Shared>,
}

struct Shared {
    pipeline: Pipeline,
    encoder: Encoder,
}

/// The builder of a [`BatchSpanProcessor`]: settings in code, otherwise those of the variables
/// `OTEL_EXPORTER_OTLP_*` and `OTEL_BSP_*`, as in [`SpanwiseBuilder`].
#[derive(Clone, Debug)]
#[must_use = "`build` starts the processor"]
pub struct BatchSpanProcessorBuilder {
    settings: SpanwiseBuilder,
}

export_settings!(BatchSpanProcessorBuilder);
batch_settings!(BatchSpanProcessorBuilder);

impl BatchSpanProcessorBuilder {
    /// Checks the settings and starts the processor's thread. It opens no connection yet.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<BatchSpanProcessor, BuildError> {
        let pipeline = Pipeline::start(self.settings, Front::Processor)?;
        Ok(BatchSpanProcessor { shared: Arc::new(Shared { pipeline, encoder: Encoder::new() }) })
    }
}

impl BatchSpanProcessor {
    /// A builder; the environment provides settings that the code does not set.
    pub fn builder() -> BatchSpanProcessorBuilder {
        BatchSpanProcessorBuilder { settings: Spanwise::builder() }
    }

    /// The ledger's counts of all spans that ended at this processor.
    pub fn ledger(&self) -> Snapshot {
        self.provider().ledger()
    }

    /// The settings of batching, which can be replaced while the processor runs, as
    /// [`Spanwise::batching`](spanwise_sdk::Spanwise::batching).
    pub fn batching(&self) -> DynamicBatchConfig {
        self.provider().batching()
    }

    /// Bytes of the budget that ended spans and requests use: now, and at the peak.
    pub fn buffered_bytes(&self) -> (usize, usize) {
        self.provider().buffered_bytes()
    }

    /// The metrics of the processor about itself, as [`Spanwise::metrics`](spanwise_sdk::Spanwise::metrics).
    pub fn metrics(&self) -> MetricsSnapshot {
        self.provider().metrics()
    }

    /// Makes the [`metrics`](Self::metrics) observable instruments of `meter`, as
    /// [`Spanwise::register_metrics`](spanwise_sdk::Spanwise::register_metrics). They hold the processor weakly.
    pub fn register_metrics(&self, meter: &Meter) {
        self.provider().register_metrics(meter);
    }

    fn provider(&self) -> &Spanwise {
        self.shared.pipeline.provider()
    }

    fn after_shutdown(
        &self,
        result: Result<Report, FlushError>,
        before: &Snapshot,
    ) -> OTelSdkResult {
        sdk_result::of_command(result)?;
        sdk_result::of_requests(&self.shared.pipeline, before)
    }
}

impl SpanProcessor for BatchSpanProcessor {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        let Shared { pipeline, encoder } = &*self.shared;
        encoder.push(pipeline, &span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        let before = self.ledger();
        sdk_result::of_command(self.provider().force_flush())?;
        sdk_result::of_requests(&self.shared.pipeline, &before)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let before = self.ledger();
        match self.provider().shutdown_timeout(timeout) {
            Err(FlushError::Timeout(_)) => Err(OTelSdkError::Timeout(timeout)),
            result => self.after_shutdown(result, &before),
        }
    }

    /// Within the [configured timeout](BatchSpanProcessorBuilder::with_shutdown_timeout). A provider calls
    /// [`shutdown_with_timeout`](Self::shutdown_with_timeout) with its own.
    fn shutdown(&self) -> OTelSdkResult {
        let before = self.ledger();
        self.after_shutdown(self.provider().shutdown(), &before)
    }

    fn set_resource(&mut self, resource: &Resource) {
        let schema_url = resource.schema_url().unwrap_or_default();
        self.shared.pipeline.set_resource(resource.iter(), schema_url);
    }
}

impl fmt::Debug for BatchSpanProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchSpanProcessor")
            .field("queue", self.shared.pipeline.queue())
            .finish_non_exhaustive()
    }
}

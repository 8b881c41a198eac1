//! [`OtlpExporter`]: a span exporter for the SDK's own processors.

use crate::encode::Encoder;
use crate::sdk_result;
use crate::settings::export_settings;
use opentelemetry::metrics::Meter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use spanwise_metrics::MetricsSnapshot;
use spanwise_sdk::__private::{Front, Pipeline};
use spanwise_sdk::{BuildError, FlushError, Snapshot, Spanwise, SpanwiseBuilder};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A [`SpanExporter`] of OTLP for the SDK's own processors: it encodes each span once, without a clone,
/// splits requests by their encoded size, and retries with the same bytes.
///
/// It sends on a thread of its own, so it works with `BatchSpanProcessor` on a thread and on any async
/// runtime, and with `SimpleSpanProcessor`. Clones share that thread and the ledger.
///
/// `export` returns when each span of the batch has its outcome, at most a few seconds after the
/// [export timeout](OtlpExporterBuilder::with_export_timeout), unless a sink of yours blocks the exporter's
/// thread; its error names the losses by reason. It loses no
/// batch because of one span: a span that no request can hold, or without valid ids, is dropped alone.
#[derive(Clone)]
pub struct OtlpExporter {
    shared: Arc<Shared>,
}

struct Shared {
    pipeline: Pipeline,
    encoder: Encoder,
}

/// The builder of an [`OtlpExporter`]: settings in code, otherwise those of the variables
/// `OTEL_EXPORTER_OTLP_*` and `OTEL_BSP_EXPORT_TIMEOUT`, as in [`SpanwiseBuilder`].
#[derive(Clone, Debug)]
#[must_use = "`build` starts the exporter"]
pub struct OtlpExporterBuilder {
    settings: SpanwiseBuilder,
}

export_settings!(OtlpExporterBuilder);

impl OtlpExporterBuilder {
    /// Checks the settings and starts the exporter's thread. It opens no connection yet.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<OtlpExporter, BuildError> {
        let pipeline = Pipeline::start(self.settings, Front::Exporter)?;
        Ok(OtlpExporter { shared: Arc::new(Shared { pipeline, encoder: Encoder::new() }) })
    }
}

impl OtlpExporter {
    /// A builder; the environment provides settings that the code does not set.
    pub fn builder() -> OtlpExporterBuilder {
        OtlpExporterBuilder { settings: Spanwise::builder() }
    }

    /// The ledger's counts of all spans that were passed to this exporter.
    pub fn ledger(&self) -> Snapshot {
        self.provider().ledger()
    }

    /// The metrics of the exporter about itself, as [`Spanwise::metrics`](spanwise_sdk::Spanwise::metrics).
    pub fn metrics(&self) -> MetricsSnapshot {
        self.provider().metrics()
    }

    /// Makes the [`metrics`](Self::metrics) observable instruments of `meter`, as
    /// [`Spanwise::register_metrics`](spanwise_sdk::Spanwise::register_metrics). They hold the exporter weakly.
    pub fn register_metrics(&self, meter: &Meter) {
        self.provider().register_metrics(meter);
    }

    fn provider(&self) -> &Spanwise {
        self.shared.pipeline.provider()
    }
}

impl SpanExporter for OtlpExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let Shared { pipeline, encoder } = &*self.shared;
        let timeout = pipeline.export_timeout().min(LONGEST) + GRACE;
        let before = self.ledger();
        let piece = pipeline.queue().budget().limit() / PIECES;
        let (mut bytes, mut result) = (0, Ok(()));
        for span in batch {
            bytes += encoder.push(pipeline, &span);
            // Frees the span before the wait.
            drop(span);
            if bytes > piece && result.is_ok() {
                // A batch may be larger than the queue. Its parts wait for space; those of concurrent calls
                // share the queue, and count as dropped if it becomes full.
                result = sdk_result::of_command(pipeline.flush_async(timeout).await);
                bytes = 0;
            }
        }
        result?;
        sdk_result::of_command(pipeline.flush_async(timeout).await)?;
        sdk_result::of_spans(pipeline, &before)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        match self.provider().shutdown_timeout(timeout) {
            Err(FlushError::Timeout(_)) => Err(OTelSdkError::Timeout(timeout)),
            result => sdk_result::of_command(result),
        }
    }

    fn shutdown(&self) -> OTelSdkResult {
        sdk_result::of_command(self.provider().shutdown())
    }

    fn force_flush(&self) -> OTelSdkResult {
        let before = self.ledger();
        sdk_result::of_command(self.provider().force_flush())?;
        sdk_result::of_requests(&self.shared.pipeline, &before)
    }

    fn set_resource(&mut self, resource: &Resource) {
        let schema_url = resource.schema_url().unwrap_or_default();
        self.shared.pipeline.set_resource(resource.iter(), schema_url);
    }
}

impl fmt::Debug for OtlpExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpExporter")
            .field("queue", self.shared.pipeline.queue())
            .finish_non_exhaustive()
    }
}

/// The parts of the budget, of which a batch uses one before its spans are sent.
const PIECES: usize = 8;
/// The timeout of a batch without an export timeout: an exporter must not block indefinitely.
const LONGEST: Duration = Duration::from_secs(600);
/// The time beyond the export timeout for a batch of several requests.
const GRACE: Duration = Duration::from_secs(2);

//! Metrics of all spans.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::error::BuildError;
use super::recording_sdk::RecordingSdk;
use super::settings;
use crate::span_metrics::{Sizing, SpanMetrics, SpanMetricsRecorder};

impl SpanwiseBuilder {
    /// Counts all spans, sampled or not, and records their durations: by name, kind, status and up to three attributes.
    /// [`Spanwise::metrics`](crate::Spanwise::metrics) returns them under the names of the Collector's span metrics connector,
    /// `traces.span.metrics.calls` and `traces.span.metrics.duration`. Default: none.
    ///
    /// With the status or attributes, which [`SpanMetrics::builder`] chooses, spans that are not sampled are recorded too and not exported
    /// (specification, *RECORD_ONLY*), because instrumentation sets neither on a span that does not record; span processors see them.
    /// By name and kind alone they stay non-recording. A span counts at its end. Spans that the queue refuses or drops count too, and so
    /// do those of [`Exporter::None`](crate::Exporter::None). Spans that start after a shutdown, in a forked child, with a disabled tracer
    /// or while telemetry is suppressed do not count.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{Exporter, SpanKind, SpanMetrics, Spanwise};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let metrics = SpanMetrics::builder().with_dimension("http.route").build()?;
    ///     let spanwise = Spanwise::builder()
    ///         .with_exporter(Exporter::None)
    ///         .with_sampling_ratio(0.01)
    ///         .with_span_metrics(metrics)
    ///         .build()?;
    ///     for _ in 0..1_000 {
    ///         let mut span = spanwise.tracer("shop").root("GET /orders", SpanKind::Server);
    ///         span.attribute("http.route", "/orders");
    ///         span.finish();
    ///     }
    ///     let snapshot = spanwise.metrics();
    ///     assert!(snapshot.get("traces.span.metrics.calls").is_some());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Cost
    /// Two readings of the clock for a span that does not record, and a lookup by the name. The first span of an attribute set
    /// allocates; later ones do not. The memory of all attribute sets, at most a quarter of the budget, is taken from
    /// [the budget](Self::with_budget_bytes): if they do not fit, there are fewer, which the provider reports.
    pub fn with_span_metrics(mut self, metrics: impl Into<SpanMetrics>) -> Self {
        self.span_metrics = Some(metrics.into());
        self
    }

    /// The size of the recorder within a budget; `None` without span metrics.
    pub(super) fn span_metrics_sizing(&self, budget: usize) -> Option<Sizing> {
        let settings = self.span_metrics.as_ref()?;
        // The stock SDK starts and ends its spans itself.
        let is_native = self.recording_sdk == RecordingSdk::Native;
        is_native.then(|| Sizing::new(settings, budget / SHARE))
    }

    /// The part of a budget that is left for spans.
    ///
    /// # Errors
    /// It is less than the least budget.
    pub(super) fn budget_without_span_metrics(&self, budget: usize) -> Result<usize, BuildError> {
        let bytes = self.span_metrics_sizing(budget).map_or(0, |sizing| sizing.bytes);
        let rest = budget.saturating_sub(bytes);
        let least = usize::try_from(*settings::BUDGET_BYTES.range().start()).unwrap_or_default();
        if bytes > 0 && rest < least {
            let accepted = format!(
                "accepted is at least {least} bytes beside those of with_span_metrics, a quarter: {}",
                least.div_ceil(SHARE - 1) * SHARE
            );
            return Err(BuildError::setting("with_budget_bytes", budget, accepted));
        }
        Ok(rest)
    }

    /// The recorder within a budget.
    pub(super) fn resolve_span_metrics(
        &self,
        environment: &Environment,
        budget: usize,
    ) -> Option<Box<SpanMetricsRecorder>> {
        let sizing = self.span_metrics_sizing(budget);
        let settings = self.span_metrics.as_ref();
        environment.effective(&settings::SPAN_METRICS, || match (settings, sizing) {
            (Some(settings), Some(sizing)) => settings.description(sizing.cardinality_limit),
            _ => "none".to_owned(),
        });
        let (settings, Some(sizing)) = (settings?, sizing) else {
            environment.unused(METHOD, "another SDK starts and ends the spans");
            return None;
        };
        let (wanted, fitting) = (settings.cardinality_limit(), sizing.cardinality_limit);
        if fitting < wanted {
            let problem = format!("{fitting} attribute sets fit in a quarter of the budget");
            environment.ignore("with_cardinality_limit", &wanted.to_string(), &problem);
        }
        SpanMetricsRecorder::new(settings, sizing).map(Box::new)
    }
}

const METHOD: &str = "with_span_metrics";
/// Attribute sets take at most this part of the budget.
const SHARE: usize = 4;

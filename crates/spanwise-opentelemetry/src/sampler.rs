//! [`OtelSampler`]: samplers of `spanwise-sampling` as a [`ShouldSample`].

use crate::sampler_context::ProcessSamplerContext;
use opentelemetry::trace::{Link, SpanKind as ApiKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};
use spanwise_sampling::{ApiSamplingParameters, DynamicSampler, Sampler};

/// A [`ShouldSample`] that delegates to any sampler of `spanwise-sampling`. Clones share it.
#[derive(Debug, Clone)]
pub struct OtelSampler {
    sampler: DynamicSampler,
}

impl OtelSampler {
    /// A sampler that delegates to `sampler`; a clone of `sampler` can exchange it later.
    pub fn new(sampler: DynamicSampler) -> Self {
        Self { sampler }
    }
}

impl From<Sampler> for OtelSampler {
    fn from(sampler: Sampler) -> Self {
        Self::new(DynamicSampler::new(sampler))
    }
}

impl ShouldSample for OtelSampler {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        span_kind: &ApiKind,
        attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let span = parent_context.filter(|cx| cx.has_active_span()).map(|cx| cx.span());
        let parameters = ApiSamplingParameters {
            trace_id: u128::from_be_bytes(trace_id.to_bytes()),
            parent: span.as_ref().map(|span| span.span_context()),
            name,
            kind: span_kind.into(),
            // The SDK passes no scope.
            scope: "",
            attributes,
        };
        self.sampler.sampling_result(&parameters, &ProcessSamplerContext, |result| {
            let decision = result.decision;
            SamplingResult {
                decision: match (decision.sampled, decision.recorded) {
                    (true, _) => SamplingDecision::RecordAndSample,
                    (false, true) => SamplingDecision::RecordOnly,
                    (false, false) => SamplingDecision::Drop,
                },
                attributes: decision
                    .annotations
                    .attributes()
                    .map(|(key, value)| KeyValue::new(key.to_owned(), value))
                    .collect(),
                trace_state: result.trace_state,
            }
        })
    }
}

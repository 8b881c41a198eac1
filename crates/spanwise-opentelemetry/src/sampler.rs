//! Our samplers behind the stock SDK's trait.

use crate::host::ProcessHost;
use opentelemetry::trace::{Link, SpanKind as ApiKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision as StockDecision, SamplingResult, ShouldSample};
use spanwise_sampling::{
    ApiAttributes, DynamicSampler, FastDecision, Randomness, Sampler, SamplingDecision,
    SamplingParameters, parent_of, trace_state_of,
};

/// Any sampler as a [`ShouldSample`]. Clones share it.
#[derive(Debug, Clone)]
pub struct OtelSampler {
    live: DynamicSampler,
}

impl OtelSampler {
    /// Decides as what `live` holds does; keep a clone of it to exchange the sampler.
    pub fn new(live: DynamicSampler) -> Self {
        Self { live }
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
        let parent = span.as_ref().map(|span| span.span_context());
        let id = u128::from_be_bytes(trace_id.to_bytes());
        let parent = parent.filter(|parent| parent.is_valid());
        let inherited = parent.map(|parent| parent.trace_state());
        let passes = |kept| parent.is_none_or(|it| self.live.passes_trace_state(it, kept));
        match self.live.quick(parent.map(|parent| parent.is_sampled())) {
            FastDecision::Keep if passes(true) => {
                return passed(StockDecision::RecordAndSample, inherited);
            }
            FastDecision::Drop if passes(false) => return passed(StockDecision::Drop, inherited),
            FastDecision::Threshold(threshold)
                if parent.is_none() && !threshold.keeps(Randomness::of_trace(id)) =>
            {
                return passed(StockDecision::Drop, None);
            }
            FastDecision::Keep
            | FastDecision::Drop
            | FastDecision::Threshold(_)
            | FastDecision::Ask => {}
        }
        let attributes = ApiAttributes(attributes);
        let params = SamplingParameters {
            parent: parent.and_then(parent_of),
            kind: span_kind.into(),
            attributes: &attributes,
            ..SamplingParameters::root(id, name, &ProcessHost)
        };
        self.live.should_sample(&params, |decision| result(inherited, &params, &decision))
    }
}

/// Nothing but a decision: the trace state goes on as it is.
fn passed(decision: StockDecision, inherited: Option<&TraceState>) -> SamplingResult {
    let trace_state = inherited.cloned().unwrap_or_default();
    SamplingResult { decision, attributes: Vec::new(), trace_state }
}

fn result(
    inherited: Option<&TraceState>,
    params: &SamplingParameters<'_>,
    decision: &SamplingDecision<'_>,
) -> SamplingResult {
    SamplingResult {
        decision: match (decision.sampled, decision.recorded) {
            (true, _) => StockDecision::RecordAndSample,
            (false, true) => StockDecision::RecordOnly,
            (false, false) => StockDecision::Drop,
        },
        attributes: decision
            .annotations
            .attributes()
            .map(|(key, value)| KeyValue::new(key.to_owned(), value))
            .collect(),
        trace_state: trace_state_of(inherited, params, decision)
            .unwrap_or_else(|| inherited.cloned().unwrap_or_default()),
    }
}

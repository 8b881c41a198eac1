//! A sampler for both SDKs that reports what it sees.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};
use spanwise_sdk::Value;
use spanwise_sdk::sampling::{ComposableSampler, SamplingIntent, SamplingParameters, Threshold};
use std::sync::{Arc, Mutex};

/// The questions that a sampler was asked.
#[derive(Debug, Clone, Default)]
pub struct Seen(pub Arc<Mutex<Vec<String>>>);

/// Drops each span with a field `drop`.
#[derive(Debug, Clone)]
pub struct Watching(pub Seen);

impl Watching {
    fn answer(&self, name: &str, kind: &str, tenant: &str, drop: bool) -> bool {
        let seen = format!("sampler: {name}, {}, tenant={tenant}", kind.to_lowercase());
        self.0.0.lock().unwrap().push(seen);
        !drop
    }
}

impl ShouldSample for Watching {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let find = |key: &str| attributes.iter().rev().find(|it| it.key.as_str() == key);
        let tenant = find("tenant").map_or("none".into(), |it| it.value.as_str().into_owned());
        let kind = format!("{kind:?}");
        let is_sampled = self.answer(name, &kind, &tenant, find("drop").is_some());
        SamplingResult {
            decision: match is_sampled {
                true => SamplingDecision::RecordAndSample,
                false => SamplingDecision::Drop,
            },
            attributes: Vec::new(),
            trace_state: parent
                .map(|parent| parent.span().span_context().trace_state().clone())
                .unwrap_or_default(),
        }
    }
}

impl ComposableSampler for Watching {
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        let tenant = match params.attributes.get("tenant") {
            Some(Value::Str(tenant)) => tenant.to_owned(),
            _ => "none".to_owned(),
        };
        let kind = format!("{:?}", params.kind);
        let drop = params.attributes.get("drop").is_some();
        match self.answer(params.name, &kind, &tenant, drop) {
            // As the stock sampler, without a probability in the trace state.
            true => SamplingIntent {
                adjusted_count_reliable: false,
                ..SamplingIntent::keep(Threshold::KEEP_ALL)
            },
            false => SamplingIntent::DROP,
        }
    }

    fn description(&self) -> String {
        "Watching".to_owned()
    }
}

//! `ShouldSample` in the API's types: one function for every SDK.

use crate::context::SamplerContext;
use crate::dynamic::{DynamicSampler, FastDecision, Word};
use crate::intent::SamplingDecision;
use crate::otel::{ApiAttributes, parent_of, trace_state_of};
use crate::parameters::SamplingParameters;
use crate::threshold::Randomness;
use crate::trace_state::{OT, OtMember};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, TraceState};
use spanwise_wire::{SpanKind, TraceId};
use spanwise_worker::catch_panic;
use std::fmt;

/// The parameters of `ShouldSample` in the API's types (specification, *Sampler*).
#[derive(Clone, Copy)]
pub struct ApiSamplingParameters<'a> {
    /// The trace the span will belong to.
    pub trace_id: u128,
    /// The parent's context; `None` or an invalid one for a root.
    pub parent: Option<&'a SpanContext>,
    /// The span's name.
    pub name: &'a str,
    /// The span's kind.
    pub kind: SpanKind,
    /// The name of its instrumentation scope.
    pub scope: &'a str,
    /// The attributes it starts with.
    pub attributes: &'a [KeyValue],
}

/// The result of `ShouldSample` (specification, *Sampler*): the decision, and the trace state that
/// follows from it.
#[derive(Debug, Clone)]
#[must_use]
pub struct SamplingResult<'s> {
    /// The decision, with the attributes of a sampled span.
    pub decision: SamplingDecision<'s>,
    /// The span's trace state.
    pub trace_state: TraceState,
    /// The sampler panicked, and the span follows its parent. Worth counting.
    pub sampler_panicked: bool,
}

impl DynamicSampler {
    /// Calls `then` with the sampling result of a span; the annotations borrow from the sampler in
    /// force.
    ///
    /// A sampler that panics makes the span follow its parent, and drops a root. A panic of `then`
    /// is the caller's.
    ///
    /// # Cost
    /// No allocation for a root that is dropped or needs no threshold written; otherwise the trace
    /// state is copied.
    pub fn sampling_result<T>(
        &self,
        span: &ApiSamplingParameters<'_>,
        context: &dyn SamplerContext,
        then: impl FnOnce(SamplingResult<'_>) -> T,
    ) -> T {
        let parent = span.parent.filter(|parent| parent.is_valid());
        let inherited = parent.map(|parent| parent.trace_state());
        if let Some(sampled) = self.passes_on(parent, span.trace_id) {
            let decision = SamplingDecision::passing(sampled);
            let trace_state = inherited.cloned().unwrap_or_default();
            return then(SamplingResult { decision, trace_state, sampler_panicked: false });
        }
        let params = SamplingParameters {
            trace_id: span.trace_id,
            parent: parent.and_then(parent_of),
            name: span.name,
            kind: span.kind,
            scope: span.scope,
            attributes: &ApiAttributes(span.attributes),
            context,
        };
        self.using(|sampler| {
            let decided = catch_panic(|| sampler.should_sample(&params));
            let sampler_panicked = decided.is_err();
            let decision = decided.unwrap_or_else(|_| params.follow_parent());
            let trace_state = trace_state_of(inherited, &params, &decision)
                .unwrap_or_else(|| inherited.cloned().unwrap_or_default());
            then(SamplingResult { decision, trace_state, sampler_panicked })
        })
    }

    /// The decision, where one word decides and the parent's trace state is propagated unchanged.
    fn passes_on(&self, parent: Option<&SpanContext>, trace_id: u128) -> Option<bool> {
        let word = self.word();
        match word.decision(parent.map(SpanContext::is_sampled)) {
            FastDecision::Keep => Some(true),
            FastDecision::Drop => Some(false),
            FastDecision::Threshold(threshold) if parent.is_none() => {
                return (!threshold.keeps(Randomness::of_trace(trace_id))).then_some(false);
            }
            FastDecision::Threshold(_) | FastDecision::Evaluate => None,
        }
        .filter(|&sampled| parent.is_none_or(|it| passes_trace_state(word, it, sampled)))
    }
}

impl fmt::Debug for ApiSamplingParameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiSamplingParameters")
            .field("trace_id", &format_args!("{:032x}", self.trace_id))
            .field("parent", &self.parent)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Whether the trace state of `parent` goes on unchanged to a child that is sampled, or not, by
/// [`DynamicSampler::fast_decision`]. Otherwise the sampler must decide.
///
/// It does where there is no `ot` member. It also does between a parent and a child of this
/// process with the same decision, unless the member cannot be parsed, occurs twice or
/// contradicts the parent's flag: a propagator or a user can make one that is not well formed.
fn passes_trace_state(word: Word, parent: &SpanContext, sampled: bool) -> bool {
    if parent.trace_state().get(OT).is_none() {
        return true;
    }
    let together = !parent.is_remote() && parent.is_sampled() == sampled && word.is_followed();
    together && is_consistent(parent)
}

/// Whether there is a single `ot` member that can be read, and whose threshold, if it has one,
/// agrees with the flag.
fn is_consistent(context: &SpanContext) -> bool {
    let Ok(member) = OtMember::of_members(context.trace_state().into_iter()) else { return false };
    let Some((th, rv)) = member.and_then(|member| Some((member.th?, member.rv))) else {
        return true;
    };
    let id = TraceId::from(context.trace_id());
    th.keeps(rv.unwrap_or(Randomness::of_trace(id.0))) == context.is_sampled()
}

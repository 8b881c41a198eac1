//! The decision about a span: ids, sampling, flags and trace state, before a record exists.

use super::ids;
use super::sampler_context::SdkSamplerContext;
use super::scopes::TracerScope;
use crate::core::Core;
use crate::record::{SpanIds, SpanStart, SpanTraceState};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use spanwise_ledger::Counter;
use spanwise_sampling::{ApiSamplingParameters, FastResult};
use spanwise_wire::SpanKind;
use spanwise_worker::fork;
use std::time::SystemTime;

/// The parameters of a span's creation (specification, *Span Creation*).
#[derive(Clone, Copy)]
pub(crate) struct SpanParameters<'a> {
    pub(crate) scope: &'a TracerScope,
    pub(crate) name: &'a str,
    pub(crate) kind: SpanKind,
    /// An invalid parent makes a new trace.
    pub(crate) parent: Option<&'a SpanContext>,
    /// The start time; `None` is now.
    pub(crate) start_time: Option<SystemTime>,
    /// The attributes for the sampler.
    pub(crate) attributes: &'a Option<Vec<KeyValue>>,
}

/// Makes a span of a decided [`SpanStart`]. A trait and not a closure: [`decide`] and its slow path both
/// call it, and the compiler has to inline it into the fast path.
pub(super) trait StartSpan {
    type Started;

    fn start(self, start: SpanStart<'_>) -> Self::Started;
}

/// Generates the ids of a span, calls the sampler, and starts the span, recorded or not.
#[inline(always)]
pub(super) fn decide<T: StartSpan>(core: &Core, span: SpanParameters<'_>, target: T) -> T::Started {
    let span = SpanParameters { parent: valid_parent(core, span.parent), ..span };
    let ids = ids::below(span.parent, fork::generation());
    let trace_state = match core.sampler.fast_result(span.parent, ids.trace_id.0) {
        FastResult::Keep => SpanTraceState::None,
        FastResult::KeepWithThreshold(threshold) => SpanTraceState::Threshold(threshold),
        // A call of its own, because this start has no trace state and no record to check for.
        FastResult::Drop => return target.start(span.decided(ids, false)),
        // This call takes a new value and not the address of `span`: with its address here, the fast
        // path too would have to store `span` in memory.
        FastResult::Evaluate => {
            let start = span.decided(ids, false);
            return decide_slow(core, &span.for_sampler(ids), start, target);
        }
    };
    target.start(SpanStart { trace_state, ..span.decided(ids, true) })
}

/// The start of a span that is not sampled, without a call of the sampler.
pub(super) fn not_sampled<'a>(core: &Core, span: SpanParameters<'a>) -> SpanStart<'a> {
    let span = SpanParameters { parent: valid_parent(core, span.parent), ..span };
    span.decided(ids::below(span.parent, fork::generation()), false)
}

/// Evaluates the sampler (`ShouldSample`), or propagates a trace state. Few spans need this, and most of
/// these decisions allocate: a function of its own leaves the fast path small.
#[cold]
#[inline(never)]
fn decide_slow<T: StartSpan>(
    core: &Core,
    parameters: &ApiSamplingParameters<'_>,
    start: SpanStart<'_>,
    target: T,
) -> T::Started {
    core.sampler.sampling_result(parameters, &SdkSamplerContext, |result| {
        for (counter, is_due) in [
            (Counter::InvalidTraceState, result.decision.malformed),
            (Counter::AssumedRandomness, result.decision.randomness_assumed),
            (Counter::SamplerPanicked, result.sampler_panicked),
        ] {
            if is_due {
                core.ledger.count(counter, 1);
            }
        }
        let mut trace_state = result.trace_state;
        let is_empty = trace_state == TraceState::NONE;
        target.start(SpanStart {
            flags: start.flags.with_sampled(result.decision.sampled),
            recorded: result.decision.recorded,
            trace_state: if is_empty {
                SpanTraceState::None
            } else {
                SpanTraceState::Other(&mut trace_state)
            },
            annotations: Some(&result.decision.annotations),
            ..start
        })
    })
}

impl<'a> SpanParameters<'a> {
    /// The start after a decision without a trace state and annotations.
    #[inline(always)]
    pub(super) fn decided(self, ids: SpanIds, sampled: bool) -> SpanStart<'a> {
        // All bits of our trace ids are random, and consistent sampling relies on that, so a root has
        // the random flag (W3C Trace Context level 2). A child has the random flag of its parent. All
        // other flags must be zero (section *Other Flags*).
        let flags = self.parent.map_or(RANDOM, |parent| parent.trace_flags() & RANDOM);
        SpanStart {
            ids,
            flags: flags.with_sampled(sampled),
            recorded: sampled,
            trace_state: SpanTraceState::None,
            parent_is_remote: self.parent.is_some_and(|parent| parent.is_remote()),
            name: self.name,
            kind: self.kind,
            scope: self.scope.index,
            start_time: self.start_time,
            annotations: None,
        }
    }

    fn for_sampler(self, ids: SpanIds) -> ApiSamplingParameters<'a> {
        ApiSamplingParameters {
            trace_id: ids.trace_id.0,
            parent: self.parent,
            name: self.name,
            kind: self.kind,
            scope: &self.scope.name,
            attributes: self.attributes.as_deref().unwrap_or_default(),
        }
    }
}

/// Returns the parent if it is valid, and counts an invalid one.
#[inline(always)]
fn valid_parent<'a>(core: &Core, parent: Option<&'a SpanContext>) -> Option<&'a SpanContext> {
    parent.filter(|parent| parent.is_valid() || count_invalid_parent(core, parent))
}

/// Counts an invalid parent other than `SpanContext::NONE`, which the API uses for no parent. Returns
/// false.
#[cold]
fn count_invalid_parent(core: &Core, parent: &SpanContext) -> bool {
    if *parent != SpanContext::NONE {
        core.ledger.count(Counter::InvalidParent, 1);
    }
    false
}

/// The random flag, in the API's type.
const RANDOM: TraceFlags = TraceFlags::new(spanwise_wire::TraceFlags::RANDOM.0);

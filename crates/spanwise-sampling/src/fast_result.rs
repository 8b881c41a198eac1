//! [`FastResult`]: the sampling results that need neither the sampler nor a list of members.

use crate::dynamic::{DynamicSampler, FastDecision, Word};
use crate::threshold::{Randomness, Threshold};
use crate::trace_state::OT;
use opentelemetry::trace::{SpanContext, TraceState};
use spanwise_wire::TraceFlags;

/// The result of sampling a span (specification, *SamplingResult*), where one word determines it and
/// the trace state is empty or one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastResult {
    /// The span is sampled and has no trace state.
    Keep,
    /// The span is sampled, and its trace state is the member `ot` with the sub-key `th` of this
    /// threshold, without others.
    KeepWithThreshold(Threshold),
    /// The span is dropped and has no trace state.
    Drop,
    /// The sampler must be evaluated: [`DynamicSampler::sampling_result`].
    Evaluate,
}

impl DynamicSampler {
    /// Whether one word decides every span: [`fast_result`](Self::fast_result) then returns
    /// [`FastResult::Evaluate`] only below a parent with an unusual trace state, and name, kind and attributes
    /// of the span change no decision.
    #[inline(always)]
    pub fn is_fast(&self) -> bool {
        self.word().is_fast()
    }

    /// The sampling result of a span of the trace `trace_id` below `parent`, a valid context of that
    /// trace, or of a root (`None`).
    ///
    /// A result other than [`FastResult::Evaluate`] equals that of
    /// [`sampling_result`](Self::sampling_result), and no counter of its decision is due.
    ///
    /// # Cost
    /// One plain load, and reading the member of a parent that has one; no allocation.
    #[inline(always)]
    pub fn fast_result(&self, parent: Option<&SpanContext>, trace_id: u128) -> FastResult {
        let word = self.word();
        let above = parent.map(SpanContext::is_sampled);
        let has_trace_state = parent.is_some_and(|it| *it.trace_state() != TraceState::NONE);
        match (word.plain_decision(above), parent) {
            (Some(true), _) if !has_trace_state => FastResult::Keep,
            (Some(false), _) if !has_trace_state => FastResult::Drop,
            (_, Some(parent)) => below(word, parent, Randomness::of_trace(trace_id)),
            (_, None) => root(word, Randomness::of_trace(trace_id)),
        }
    }
}

/// The result of a root by a threshold.
#[inline(always)]
fn root(word: Word, randomness: Randomness) -> FastResult {
    match word.decision(None) {
        FastDecision::Threshold(own) if own.keeps(randomness) => FastResult::KeepWithThreshold(own),
        FastDecision::Threshold(_) => FastResult::Drop,
        _ => FastResult::Evaluate,
    }
}

/// The result below a parent with a trace state, or by a threshold for all spans.
#[inline(never)]
fn below(word: Word, parent: &SpanContext, randomness: Randomness) -> FastResult {
    let above = parent.trace_state();
    let result = if word.is_followed() {
        // The span follows its parent, by a threshold that agrees with the parent's flag.
        lone_threshold(above)
            .filter(|above| parent.is_sampled() && above.keeps(randomness))
            .map(FastResult::KeepWithThreshold)
    } else if let FastDecision::Threshold(own) = word.decision(Some(parent.is_sampled())) {
        // Without the random flag the decision counts an assumption, unless it needs no randomness or
        // the parent was sampled by the same threshold.
        let is_random = TraceFlags::from(parent.trace_flags()).is_random();
        let reliable = is_random || own == Threshold::KEEP_ALL;
        match (own.keeps(randomness), *above == TraceState::NONE) {
            (true, true) if reliable => Some(FastResult::KeepWithThreshold(own)),
            (false, true) if reliable => Some(FastResult::Drop),
            (true, false) => lone_threshold(above)
                .filter(|above| reliable || *above == own && parent.is_sampled())
                .map(|_| FastResult::KeepWithThreshold(own)),
            _ => None,
        }
    } else {
        None
    };
    result.unwrap_or(FastResult::Evaluate)
}

/// The threshold of a trace state that has only a threshold, written as this crate writes it: the text
/// of the returned threshold is the text of the member.
#[inline(always)]
fn lone_threshold(trace_state: &TraceState) -> Option<Threshold> {
    let mut members = trace_state.into_iter();
    if members.len() != 1 {
        return None;
    }
    let (OT, value) = members.next()? else { return None };
    let digits = value.strip_prefix(TH_PREFIX)?;
    // The specification removes trailing zeros; a text that has them is another text.
    if digits.len() > 1 && digits.ends_with('0') {
        return None;
    }
    Threshold::parse(digits)
}

/// The key and the separator of the sub-key that has the threshold.
const TH_PREFIX: &str = "th:";

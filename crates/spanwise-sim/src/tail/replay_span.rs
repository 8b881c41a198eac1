//! Replays the spans of a request on the model, and the decisions that each of them causes.

use super::made_span::{MadeSpan, Shape};
use super::model::{Model, Way};
use super::recorder::{LeftSpan, Recorded};
use super::replay::Decisions;
use super::rule_model::by_ratio;
use crate::violation::{Checked, require};
use spanwise_tail::{Decision, DecisionCause};

impl Model {
    /// A span that the sampler took.
    pub(crate) fn replay_span(
        &mut self,
        span: &MadeSpan,
        left: LeftSpan,
        decisions: &mut Decisions,
    ) -> Checked {
        match span.shape {
            Shape::InvalidId => {
                self.counts.received_spans += 1;
                self.counts.dropped_spans.invalid_id += 1;
                return Ok(());
            }
            // The id is found by reading the whole span.
            Shape::Malformed if !span.bytes.starts_with(&[0x0a, 16]) => {
                self.counts.received_spans += 1;
                self.counts.dropped_spans.malformed += 1;
                return Ok(());
            }
            _ => {}
        }
        self.replay_evictions_before(span.trace, decisions)?;
        match (self.way(span.trace), span.shape) {
            (Way::NotSampled, _) if !self.scenario.dry_run => {
                self.counts.received_spans += 1;
                self.counts.not_sampled_spans += 1;
                self.counts.late_not_sampled_spans += 1;
                return Ok(());
            }
            (_, Shape::Malformed) => {
                self.counts.received_spans += 1;
                self.counts.dropped_spans.malformed += 1;
                return Ok(());
            }
            (_, Shape::Oversize) => {
                self.counts.received_spans += 1;
                self.counts.dropped_spans.span_too_large += 1;
                return Ok(());
            }
            (Way::Sampled, _) => {
                self.counts.received_spans += 1;
                self.counts.sampled_spans += 1;
                self.counts.late_sampled_spans += 1;
                self.expect(left);
                return Ok(());
            }
            (Way::NotSampled, _) => {
                self.counts.received_spans += 1;
                self.counts.not_sampled_spans += 1;
                self.counts.late_not_sampled_spans += 1;
                self.counts.dry_run_spans += 1;
                self.expect(left);
                return Ok(());
            }
            (Way::New, _) => {
                if self.is_stressed(span.trace, decisions)? {
                    return self.replay_stress(span.trace, left, decisions);
                }
                if self.is_full(span.trace) {
                    let cause = decisions.front().map(|it| it.cause);
                    require(
                        cause == Some(DecisionCause::Evicted),
                        "at num_traces, a new trace evicts one",
                        || format!("the next decision: {cause:?}"),
                    )?;
                    self.replay_next(decisions)?;
                    // The evicted trace may share its place in the cache with this one.
                    return self.replay_span(span, left, decisions);
                }
            }
            (Way::Pending, _) => {}
        }
        self.store(span, left);
        self.replay_limits(span.trace, decisions)
    }

    /// Whether a new trace finds no place.
    pub(crate) fn is_full(&mut self, trace: [u8; 16]) -> bool {
        let most = self.scenario.traces_per_shard();
        self.shard(trace).pending.len() >= most
    }

    /// Whether stress relief decides a new trace.
    fn is_stressed(&mut self, trace: [u8; 16], decisions: &Decisions) -> Checked<bool> {
        let Some(relief) = self.scenario.stress else { return Ok(false) };
        let first = decisions.iter().find(|it| it.trace == trace);
        let found = first.is_some_and(|it| it.cause == DecisionCause::Stress);
        if !self.scenario.knows_stress() {
            return Ok(found);
        }
        let (now, most) = (self.now, self.scenario.traces_per_shard());
        let shard = self.shard(trace);
        let used = 100.0 * (shard.pending.len() as f64 / most as f64);
        match shard.stressed_since {
            None if used >= relief.activation_level => {
                shard.stressed_since = Some(now);
                self.counts.stress_activations += 1;
            }
            Some(since)
                if used < relief.deactivation_level
                    && now.saturating_sub(since) >= relief.minimum_activation_duration =>
            {
                shard.stressed_since = None;
            }
            _ => {}
        }
        let is_stressed = self.shard(trace).stressed_since.is_some();
        require(found == is_stressed, "stress begins and ends at its levels", || {
            format!("{used} % in use, decided by stress: {found}")
        })?;
        Ok(is_stressed)
    }

    fn replay_stress(
        &mut self,
        trace: [u8; 16],
        left: LeftSpan,
        decisions: &mut Decisions,
    ) -> Checked {
        let at = decisions.iter().position(|it| it.trace == trace).unwrap_or_default();
        (0..at).try_for_each(|_| self.replay_next(decisions))?;
        let Some(Recorded { decision, spans, policy, .. }) = decisions.pop_front() else {
            return Ok(());
        };
        let percent = self.scenario.stress.map_or(100.0, |relief| relief.sampling_percentage);
        let expected = by_ratio(trace, percent);
        require(
            (decision, spans, policy.as_deref()) == (expected, 1, None),
            "stress decides by its ratio",
            || format!("{decision} of {spans} spans instead of {expected}"),
        )?;
        self.counts.received_spans += 1;
        self.counts.new_traces += 1;
        self.counts.stressed_traces += 1;
        if decision == Decision::Sampled {
            self.counts.sampled_traces += 1;
            self.counts.sampled_spans += 1;
            self.expect(left);
        } else {
            self.counts.not_sampled_traces += 1;
            self.counts.not_sampled_spans += 1;
        }
        self.remember(trace, decision);
        Ok(())
    }

    /// A trace that was decided with the spans it has now was decided before its next span.
    fn replay_evictions_before(&mut self, trace: [u8; 16], decisions: &mut Decisions) -> Checked {
        let Some(pending) = self.shard(trace).pending.get(&trace) else { return Ok(()) };
        let spans = pending.spans.len() as u64;
        let first = decisions.iter().position(|it| it.trace == trace);
        let Some(at) = first.filter(|at| decisions.get(*at).is_some_and(|it| it.spans == spans))
        else {
            return Ok(());
        };
        (0..=at).try_for_each(|_| self.replay_next(decisions))
    }

    /// The limits of a trace of its own: its bytes, and its spans.
    fn replay_limits(&mut self, trace: [u8; 16], decisions: &mut Decisions) -> Checked {
        let (max_bytes, max_spans) = (self.scenario.max_trace_bytes, self.scenario.max_spans);
        let Some(pending) = self.shard(trace).pending.get(&trace) else { return Ok(()) };
        let (spans, bytes) = (pending.spans.len() as u64, pending.bytes);
        // Evictions that made space for this span come before.
        let at = decisions
            .iter()
            .position(|it| it.cause != DecisionCause::Evicted || it.trace == trace)
            .and_then(|at| decisions.get(at));
        let is_next = |cause| {
            at.is_some_and(|it| it.cause == cause && it.trace == trace && it.spans == spans)
        };
        let too_large = is_next(DecisionCause::TraceTooLarge);
        // The size includes framing, and resource and scope wherever they change.
        let framed = bytes + spans * 120;
        let is_in_range = match too_large {
            true => framed > max_bytes,
            false => bytes <= max_bytes,
        };
        require(
            max_bytes == 0 || is_in_range,
            "a trace that is too large is dropped at once",
            || format!("{bytes} bytes of {max_bytes}, dropped: {too_large}"),
        )?;
        let is_last = spans >= u64::from(max_spans);
        if !too_large && is_last {
            require(
                is_next(DecisionCause::MaxSpans),
                "a trace with max_spans_per_trace is decided",
                || format!("{spans} spans, next: {at:?}"),
            )?;
        }
        while (too_large || is_last) && self.shard(trace).pending.contains_key(&trace) {
            self.replay_next(decisions)?;
        }
        Ok(())
    }
}

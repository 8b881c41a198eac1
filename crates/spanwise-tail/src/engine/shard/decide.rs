//! Decisions of a shard: the policies are evaluated, and the spans leave.

use std::cell::OnceCell;

use spanwise_wire::TraceId;
use spanwise_wire::read::SpanView;

use super::{Shard, chain, outcome};
use crate::engine::counts::{SpanOutcome, TailDropReason};
use crate::engine::decided_trace::{DecidedTrace, DecisionCause};
use crate::engine::group_table::GroupTable;
use crate::engine::long_traces::LongTrace;
use crate::engine::output::TailOutput;
use crate::engine::request_writer::span_len;
use crate::engine::span_index::Address;
use crate::engine::span_store::SpanStore;
use crate::explain::ExplainedTrace;
use crate::metrics::wrapped_seconds;
use crate::outgoing_trace_state::ThresholdUpdate;
#[cfg(feature = "planted-bugs")]
use crate::planted::{TailBug, planted};
use crate::policy::{Decision, Outcome};
use crate::rules::RuleDecision;
use crate::span_facts::EncodedSpan;
use crate::trace_view::{Summary, TraceSpans};

/// Up to `len` spans that end with the one at `last`. Their addresses are listed when the first of them is read.
struct StoredSpans<'a> {
    last: Address,
    len: usize,
    addresses: OnceCell<Vec<Address>>,
    store: &'a SpanStore,
    groups: &'a GroupTable,
}

impl<'a> TraceSpans<'a> for StoredSpans<'a> {
    fn len(&self) -> usize {
        self.len
    }

    fn span(&self, index: usize) -> Option<SpanView<'a>> {
        let EncodedSpan { span, resource, scope } = self.encoded(index)?;
        SpanView::of(span, resource, scope).ok()
    }

    fn encoded(&self, index: usize) -> Option<EncodedSpan<'a>> {
        let address = *self.addresses.get_or_init(|| self.list()).get(index)?;
        // Every stored span was read when it arrived.
        let (group, span) = self.store.stored(address);
        let (resource, scope) = self.groups.messages(group);
        Some(EncodedSpan { span, resource, scope })
    }
}

impl StoredSpans<'_> {
    fn list(&self) -> Vec<Address> {
        let mut addresses = vec![Address::NONE; self.len];
        let mut last = self.last;
        for address in addresses.iter_mut().rev() {
            *address = last;
            if last != Address::NONE {
                last = self.store.header(last).previous;
            }
        }
        addresses
    }
}

impl Shard {
    /// Decides a trace by its policies, or by the decision that they made while its spans arrived.
    pub(super) fn decide(&mut self, slot: u32, cause: DecisionCause, output: &mut dyn TailOutput) {
        // Of a trace during whose forwarding the output panicked.
        self.forward_leaving(output);
        let decision = match self.table.get(slot) {
            Some(entry) if self.settings.by_ingest && entry.is_sampled() => {
                // The decision was made by the spans of an earlier request; its probability is not remembered.
                let update = match self.settings.use_trace_state {
                    true => ThresholdUpdate::Erase,
                    false => ThresholdUpdate::None,
                };
                RuleDecision::Decided(Outcome { update, ..outcome(Decision::Sampled) })
            }
            _ if self.settings.by_ingest => RuleDecision::Decided(outcome(Decision::NotSampled)),
            Some(entry) => {
                let (trace_id, last, summary) = (entry.trace_id(), entry.last(), entry.summary());
                let spans = entry.spans() as usize;
                #[cfg(feature = "planted-bugs")]
                let spans = spans - usize::from(planted(TailBug::FirstSpanIgnored));
                self.evaluate(trace_id, last, summary, spans)
            }
            None => return,
        };
        match decision {
            RuleDecision::Decided(outcome) => self.finish(slot, outcome, cause, output),
            RuleDecision::Candidate(candidate) => {
                self.add_candidate(slot, candidate, cause, output);
            }
        }
    }

    /// Evaluates the last `spans` spans of a trace alone; the number of spans is that of the whole trace, as in the Collector.
    pub(super) fn decide_by_ingest(
        &mut self,
        slot: u32,
        spans: usize,
        output: &mut dyn TailOutput,
    ) {
        self.forward_leaving(output);
        let Some(entry) = self.table.get(slot) else { return };
        let (trace_id, last, all) = (entry.trace_id(), entry.last(), u64::from(entry.spans()));
        let summary = self.summary_of(last, spans).with_spans(all);
        // Rules are not evaluated at ingest.
        let RuleDecision::Decided(outcome) = self.evaluate(trace_id, last, summary, spans) else {
            return;
        };
        match outcome.decision {
            Decision::Sampled if outcome.may_drop_later => {
                if let Some(entry) = self.table.get_mut(slot) {
                    entry.set_sampled();
                }
            }
            Decision::NotSampled => {}
            Decision::Sampled | Decision::Dropped => {
                self.leaving_record.1 = spans;
                self.finish(slot, outcome, DecisionCause::SpanIngest, output);
            }
        }
        if let Some(explainer) = &mut self.explainer {
            explainer.discard();
        }
    }

    /// The last `len` spans up to the one at `last`.
    fn spans_until(&self, last: Address, len: usize) -> StoredSpans<'_> {
        let (store, groups) = (&self.store, &self.groups);
        StoredSpans { last, len, addresses: OnceCell::new(), store, groups }
    }

    /// The summary of the last `len` spans up to the one at `last`.
    fn summary_of(&self, last: Address, len: usize) -> Summary {
        let spans = self.spans_until(last, len);
        let mut summary = Summary::EMPTY;
        let views = (0..spans.len()).filter_map(|index| spans.span(index));
        views.for_each(|span| summary.add(&span, span_len(span.bytes()) as u64));
        summary
    }

    /// The outcome of the policies for `len` spans up to the one at `last`.
    fn evaluate(
        &mut self,
        trace_id: [u8; 16],
        last: Address,
        summary: Summary,
        len: usize,
    ) -> RuleDecision {
        let (store, groups) = (&self.store, &self.groups);
        let spans = StoredSpans { last, len, addresses: OnceCell::new(), store, groups };
        let votes = self.explainer.as_mut().and_then(|explainer| explainer.votes(trace_id));
        let decision = self.policies.decide(trace_id, summary, &spans, (self.now, votes.as_ref()));
        if let (Some(explainer), Some(votes)) = (&mut self.explainer, votes) {
            explainer.note(ExplainedTrace { trace_id, summary, source: &spans }, votes);
        }
        decision
    }

    /// Carries out a decision: the spans are forwarded or freed, and the decision is remembered.
    pub(super) fn finish(
        &mut self,
        slot: u32,
        outcome: Outcome,
        cause: DecisionCause,
        output: &mut dyn TailOutput,
    ) {
        self.forward_leaving(output);
        let Some(entry) = self.table.get(slot) else { return };
        let (trace_id, last, spans) = (entry.trace_id(), entry.last(), u64::from(entry.spans()));
        self.recent = None;
        self.record_removal(slot);
        self.table.remove(slot);
        self.touched.end(slot);
        let span_outcome = self.account(outcome.decision, cause);
        let cache = match outcome.decision {
            Decision::Sampled => &mut self.sampled,
            Decision::NotSampled | Decision::Dropped => &mut self.not_sampled,
        };
        let remembered = trace_id;
        #[cfg(feature = "planted-bugs")]
        let remembered = match cause {
            DecisionCause::Evicted if planted(TailBug::EvictionForgotten) => [0xff; 16],
            _ => remembered,
        };
        cache.put(remembered, outcome.policy);
        cache.set_decided(wrapped_seconds(self.now));
        // Late spans of a trace that policies sampled bypass the change, as in the Collector.
        cache.set_update(match outcome.update {
            // Those of a dry run follow its other spans.
            update @ ThresholdUpdate::Compose(_) if !self.settings.dry_run => update,
            _ => ThresholdUpdate::None,
        });
        let is_forwarded = outcome.decision == Decision::Sampled || self.settings.dry_run;
        let update = match self.settings.dry_run {
            // All traces leave: none is sampled by a probability.
            true => ThresholdUpdate::None,
            false => outcome.update,
        };
        if self.long_traces.is_long(spans) {
            self.record_leaving(outcome, cause);
            let trace = LongTrace {
                trace_id,
                update,
                outcome: span_outcome,
                is_forwarded,
                record: self.leaving_record.clone(),
                spans,
                last,
                listed: Vec::new(),
            };
            self.add_long_trace(trace);
        } else if is_forwarded {
            self.leaving_as = span_outcome;
            self.leaving_update = (trace_id, update);
            self.record_leaving(outcome, cause);
            self.leaving.reserve_exact(spans as usize);
            self.leaving.extend(chain(&self.store, last));
            #[cfg(feature = "planted-bugs")]
            if planted(TailBug::SpanLost) || planted(TailBug::TornTrace) {
                self.leaving.pop();
                self.count_spans(span_outcome, u64::from(planted(TailBug::TornTrace)));
            }
        } else {
            self.count_spans(span_outcome, spans);
            let groups = &mut self.groups;
            self.store.free_chain(last, |group, spans| groups.release(group, spans));
        }
        let decided = DecidedTrace {
            trace_id: TraceId::from_bytes(trace_id),
            decision: outcome.decision,
            policy: outcome.policy.and_then(|index| self.policies.name(index)),
            cause,
            spans,
        };
        let explanation = self.explainer.as_mut().and_then(|explainer| explainer.finish(&decided));
        output.decided(&decided);
        if let Some(explanation) = explanation {
            output.explained(&explanation);
        }
        self.forward_leaving(output);
    }

    /// Counts a decision and returns the outcome of the trace's spans, which are counted when they leave.
    fn account(&mut self, decision: Decision, cause: DecisionCause) -> SpanOutcome {
        let counts = &mut self.counts;
        counts.evicted_traces += u64::from(cause == DecisionCause::Evicted);
        match (decision, cause) {
            (Decision::Sampled, _) => {
                counts.sampled_traces += 1;
                SpanOutcome::Sampled
            }
            (Decision::NotSampled, _) => {
                counts.not_sampled_traces += 1;
                SpanOutcome::NotSampled
            }
            (Decision::Dropped, cause) => {
                counts.dropped_traces += 1;
                SpanOutcome::Dropped(match cause {
                    DecisionCause::TraceTooLarge => {
                        counts.too_large_traces += 1;
                        TailDropReason::TraceTooLarge
                    }
                    DecisionCause::Shutdown if self.settings.drops_pending => {
                        counts.shutdown_traces += 1;
                        TailDropReason::Shutdown
                    }
                    _ => TailDropReason::DropPolicy,
                })
            }
        }
    }

    pub(super) fn count_spans(&mut self, outcome: SpanOutcome, spans: u64) {
        match outcome {
            SpanOutcome::Sampled => self.counts.sampled_spans += spans,
            SpanOutcome::NotSampled => self.counts.not_sampled_spans += spans,
            SpanOutcome::Dropped(reason) => self.counts.dropped_spans.add(reason, spans),
        }
    }

    /// Counts a span that was forwarded, whatever the decision.
    pub(super) fn count_forwarded(&mut self, outcome: SpanOutcome) {
        self.count_spans(outcome, 1);
        self.counts.dry_run_spans += u64::from(outcome != SpanOutcome::Sampled);
    }

    /// Passes the spans of the trace that is forwarded to the writer, in the order of their arrival, and has space for the next trace.
    /// The output may panic: callers remove what they decide next from their lists behind this.
    #[inline]
    pub(super) fn forward_leaving(&mut self, output: &mut dyn TailOutput) {
        if !self.leaving.is_empty() {
            self.forward_all(output);
        }
        self.make_space_for_long_trace(output);
    }

    fn forward_all(&mut self, output: &mut dyn TailOutput) {
        while let Some(address) = self.leaving.last().copied() {
            let group = self.store.header(address).group;
            let (trace_id, update) = self.leaving_update;
            if self.settings.record_policy {
                self.record_next();
            }
            let span = self.trace_states.update(self.store.span(address), trace_id, update);
            self.writer.push(group, span, &mut self.groups, output);
            // Behind the output's call: after its panic, the span is forwarded by the next call.
            self.leaving.pop();
            self.count_forwarded(self.leaving_as);
            self.store.free(address);
            self.groups.release(group, 1);
        }
        // The list of a large trace is charged to its spans.
        self.leaving.shrink_to(MAX_IDLE_ADDRESSES);
    }
}

/// The addresses for which memory is retained.
const MAX_IDLE_ADDRESSES: usize = 1_024;

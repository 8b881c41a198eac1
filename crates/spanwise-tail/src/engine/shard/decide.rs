//! Decisions of a shard: the policies are evaluated, and the spans leave.

use spanwise_wire::TraceId;
use spanwise_wire::read::SpanView;

use super::{Shard, chain, outcome};
use crate::engine::counts::TailDropReason;
use crate::engine::group_table::GroupTable;
use crate::engine::output::{DecidedTrace, DecisionCause, TailOutput};
use crate::engine::request_writer::span_len;
use crate::engine::span_store::{Address, SpanStore};
use crate::policy::{Decision, Outcome};
use crate::trace_view::{SpanSource, Summary};

/// The spans at some addresses, of which the last one is the first that arrived.
struct StoredSpans<'a> {
    addresses: &'a [Address],
    store: &'a SpanStore,
    groups: &'a GroupTable,
}

impl<'a> SpanSource<'a> for StoredSpans<'a> {
    fn len(&self) -> usize {
        self.addresses.len()
    }

    fn span(&self, index: usize) -> Option<SpanView<'a>> {
        let address = self.addresses.iter().rev().nth(index)?;
        let record = self.store.read(*address);
        let (resource, scope) =
            (self.groups.resource(record.group), self.groups.scope(record.group));
        SpanView::of(record.span, resource.message, scope.message).ok()
    }
}

impl Shard {
    /// Decides a trace by its policies, or by the decision that they made while its spans arrived.
    pub(super) fn decide(&mut self, slot: u32, cause: DecisionCause, output: &mut dyn TailOutput) {
        // Of a trace during whose forwarding the output panicked.
        self.forward_leaving(output);
        let outcome = match self.table.get(slot) {
            Some(entry) if self.settings.by_ingest && entry.is_sampled() => {
                outcome(Decision::Sampled)
            }
            _ if self.settings.by_ingest => outcome(Decision::NotSampled),
            Some(entry) => {
                let (trace_id, last, summary) = (entry.trace_id(), entry.last(), entry.summary());
                self.leaving.reserve_exact(entry.spans() as usize);
                self.leaving.extend(chain(&self.store, last));
                let outcome = self.evaluate(trace_id, Some(summary));
                self.leaving.clear();
                outcome
            }
            None => return,
        };
        self.finish(slot, outcome, cause, output);
    }

    /// Evaluates the last `spans` spans of a trace alone.
    pub(super) fn decide_by_ingest(
        &mut self,
        slot: u32,
        spans: usize,
        output: &mut dyn TailOutput,
    ) {
        self.forward_leaving(output);
        let Some(entry) = self.table.get(slot) else { return };
        let (trace_id, last) = (entry.trace_id(), entry.last());
        self.leaving.extend(chain(&self.store, last).take(spans));
        let outcome = self.evaluate(trace_id, None);
        self.leaving.clear();
        match outcome.decision {
            Decision::Sampled if outcome.may_drop_later => {
                if let Some(entry) = self.table.get_mut(slot) {
                    entry.set_sampled();
                }
            }
            Decision::NotSampled => {}
            Decision::Sampled | Decision::Dropped => {
                self.finish(slot, outcome, DecisionCause::SpanIngest, output);
            }
        }
    }

    /// The outcome of the policies for the spans of `leaving`. Without a `summary`, it is made from them.
    fn evaluate(&mut self, trace_id: [u8; 16], summary: Option<Summary>) -> Outcome {
        let (store, groups) = (&self.store, &self.groups);
        let spans = StoredSpans { addresses: &self.leaving, store, groups };
        let summary = summary.unwrap_or_else(|| {
            let mut summary = Summary::EMPTY;
            let views = (0..spans.len()).filter_map(|index| spans.span(index));
            views.for_each(|span| summary.add(&span, span_len(span.bytes()) as u64));
            summary
        });
        self.policies.decide(trace_id, summary, &spans, self.now)
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
        self.table.remove(slot);
        self.touched.retain(|touched| *touched != slot);
        self.account(outcome.decision, cause, spans);
        self.leaving.reserve_exact(spans as usize);
        self.leaving.extend(chain(&self.store, last));
        if outcome.decision == Decision::Sampled {
            self.sampled.put(trace_id, outcome.policy);
        } else {
            self.not_sampled.put(trace_id, outcome.policy);
            while let Some(address) = self.leaving.pop() {
                self.free(address);
            }
        }
        output.decided(&DecidedTrace {
            trace_id: TraceId::from_bytes(trace_id),
            decision: outcome.decision,
            policy: outcome.policy.and_then(|index| self.policies.name(index)),
            cause,
            spans,
        });
        self.forward_leaving(output);
    }

    /// Counts a decision. Sampled spans are counted when they are forwarded.
    fn account(&mut self, decision: Decision, cause: DecisionCause, spans: u64) {
        let counts = &mut self.counts;
        match (decision, cause) {
            (Decision::Sampled, _) => counts.sampled_traces += 1,
            (Decision::NotSampled, _) => {
                counts.not_sampled_traces += 1;
                counts.not_sampled_spans += spans;
            }
            (Decision::Dropped, cause) => {
                counts.dropped_traces += 1;
                let reason = match cause {
                    DecisionCause::TraceTooLarge => TailDropReason::TraceTooLarge,
                    DecisionCause::Shutdown if self.settings.drops_pending => {
                        TailDropReason::Shutdown
                    }
                    _ => TailDropReason::DropPolicy,
                };
                counts.dropped_spans.add(reason, spans);
            }
        }
    }

    /// Passes the spans of the sampled trace to the writer, in the order of their arrival.
    pub(super) fn forward_leaving(&mut self, output: &mut dyn TailOutput) {
        while let Some(address) = self.leaving.last().copied() {
            let record = self.store.read(address);
            let group = record.group;
            self.writer.push(group, record.span, &mut self.groups, output);
            // Behind the output's call: after its panic, the span is forwarded by the next call.
            self.leaving.pop();
            self.counts.sampled_spans += 1;
            self.free(address);
        }
        // The list of a large trace is charged to its spans.
        self.leaving.shrink_to(MAX_IDLE_ADDRESSES);
    }

    fn free(&mut self, address: Address) {
        let group = self.store.read(address).group;
        self.store.free(address);
        self.groups.release(group);
    }
}

/// The addresses for which memory is retained.
const MAX_IDLE_ADDRESSES: usize = 1_024;

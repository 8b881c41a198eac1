//! One shard: traces that wait for their decisions.

mod ages;
mod at_once;
mod candidates;
mod decide;
mod destination;
mod long_traces;
mod memory;
mod record;
mod reload;
mod shutdown;
mod update;

use std::time::Duration;

pub(crate) use self::update::ShardUpdate;
use super::candidates::Candidates;
use super::counts::{SpanOutcome, TailCounts, TailDropReason};
use super::decided_trace::DecisionCause;
use super::decider::Decider;
use super::decision_cache::DecisionCache;
use super::group_table::{GroupTable, PartFields};
use super::incoming_span::IncomingSpan;
use super::long_traces::LongTraces;
use super::output::TailOutput;
use super::policy_record::PolicyRecord;
use super::request_writer::{RequestWriter, group_fields_len, span_len};
use super::span_index::{Address, Header};
use super::span_store::SpanStore;
use super::span_summary::SpanSummary;
use super::timer_wheel::TimerWheel;
use super::touched_traces::TouchedTraces;
use super::trace_table::{Counted, TraceTable};
use super::validated::ShardSettings;
use crate::explain::Explainer;
use crate::metrics::ShardMetrics;
use crate::outgoing_trace_state::{OutgoingSpan, ThresholdUpdate, TraceStateWriter};
use crate::policy::{Decision, Outcome, PolicyCounts};
use crate::stress::Stress;

/// Holds the encoded spans of its traces until each is decided. Time is an argument.
pub(crate) struct Shard {
    settings: ShardSettings,
    policies: Decider,
    explainer: Option<Box<Explainer>>,
    table: TraceTable,
    store: SpanStore,
    groups: GroupTable,
    sampled: DecisionCache,
    not_sampled: DecisionCache,
    writer: RequestWriter,
    counts: TailCounts,
    metrics: ShardMetrics,
    /// The way of the span that was taken last, until a decision changes it.
    recent: Option<([u8; 16], Destination)>,
    now: Duration,
    /// The group of the spans that are taken, once the first of them is stored.
    open_group: Option<u32>,
    /// Spans of a sampled trace that are on their way to the writer, the next one last. Not empty only when an output panicked.
    leaving: Vec<Address>,
    /// The outcome of the spans that are leaving: another one than sampled with `dry_run`.
    leaving_as: SpanOutcome,
    /// The trace of the spans that are leaving, and the change of their thresholds.
    leaving_update: ([u8; 16], ThresholdUpdate),
    /// The record of the spans that are leaving, and the number of those with it, which arrived last.
    leaving_record: (PolicyRecord, usize),
    /// The record of a span that passes through.
    passing_record: PolicyRecord,
    trace_states: TraceStateWriter,
    long_traces: LongTraces,
    /// Traces that are due and are decided together. Not empty between calls only when an output panicked.
    candidates: Candidates,
    stress: Option<Stress>,
    /// `span-ingest`: the traces with spans of this resource.
    touched: TouchedTraces,
    /// Limits were changed, and traces beyond them may wait.
    is_reloaded: bool,
}

/// The way of a span.
#[derive(Debug, Clone, Copy)]
enum Destination {
    Pending(u32),
    New,
    Sampled,
    NotSampled,
}

/// The resource and the scope of the spans that are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupFields<'a> {
    pub(crate) resource: PartFields<'a>,
    pub(crate) scope: PartFields<'a>,
}

/// A span was not taken, because a limit is reached and the shard blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

impl Shard {
    pub(crate) fn new(settings: ShardSettings, policies: Decider) -> Self {
        let (sampled, not_sampled) = settings.cache_sizes;
        let mut sampled = DecisionCache::new(sampled);
        if settings.remembers_updates {
            sampled = sampled.with_updates();
        }
        Self {
            policies,
            explainer: None,
            table: TraceTable::new(settings.num_traces, TimerWheel::new(settings.ticks)),
            store: SpanStore::new(settings.span_bytes, settings.max_request_bytes),
            groups: GroupTable::new(),
            sampled,
            not_sampled: DecisionCache::new(not_sampled),
            writer: RequestWriter::new(settings.max_request_bytes),
            counts: TailCounts::default(),
            metrics: ShardMetrics::default(),
            recent: None,
            now: Duration::ZERO,
            open_group: None,
            leaving: Vec::new(),
            leaving_as: SpanOutcome::Sampled,
            leaving_update: ([0; 16], ThresholdUpdate::None),
            leaving_record: (PolicyRecord::default(), 0),
            passing_record: PolicyRecord::default(),
            trace_states: TraceStateWriter::default(),
            long_traces: LongTraces::none(),
            candidates: Candidates::default(),
            stress: settings.stress,
            touched: TouchedTraces::default(),
            is_reloaded: false,
            settings,
        }
    }

    fn set_policies(&mut self, policies: Decider) {
        self.counts.policy_evaluation_errors += self.policies.errors();
        self.metrics.replace(self.policies.counts(), policies.counts());
        self.policies = policies;
    }

    pub(crate) fn is_stressed(&self) -> bool {
        self.stress.is_some_and(|stress| stress.is_active())
    }

    pub(crate) fn policy_counts(&self) -> impl Iterator<Item = &PolicyCounts> {
        self.policies.counts()
    }

    /// Begins a call at a time, which never goes back. Takes up what a panic of the output left of the call before: an open group is not
    /// that of the next spans, and the traces of a request are evaluated after all.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.close_group();
        self.touched.resume();
    }

    /// Takes one span.
    pub(crate) fn take_span(
        &mut self,
        mut span: IncomingSpan<'_>,
        fields: GroupFields<'_>,
        output: &mut dyn TailOutput,
    ) -> Result<(), Refused> {
        let trace_id = match span.trace_id() {
            Ok(trace_id) => trace_id,
            Err(reason) => return self.drop_span(reason),
        };
        loop {
            if self.drops_late(trace_id) {
                return Ok(());
            }
            let destination = self.destination(trace_id);
            let summary = match span.summary() {
                Ok(summary) => summary,
                Err(reason) => return self.drop_span(reason),
            };
            // A late span passes through: only its group is stored.
            let len = span.bytes().len();
            let passing = self.store.cost.is_large(len).then_some(len);
            let stored = match destination {
                Destination::New | Destination::Pending(_) => Some(len),
                Destination::Sampled | Destination::NotSampled => passing,
            };
            match destination {
                // No trace is decided early for a span that has no place in any case.
                _ if !self.ever_has_memory(len, fields) => {
                    return self.drop_span(TailDropReason::SpanTooLarge);
                }
                Destination::Sampled | Destination::NotSampled
                    if self.has_memory(stored, fields) =>
                {
                    self.record_passing(matches!(destination, Destination::Sampled));
                    let group = self.group(fields);
                    let outgoing = match destination {
                        Destination::Sampled if !self.settings.dry_run => {
                            let update = self.sampled.update();
                            self.trace_states.update(span.bytes(), trace_id, update)
                        }
                        _ => OutgoingSpan::unchanged(span.bytes()),
                    };
                    self.writer.push(group, outgoing, &mut self.groups, output);
                    self.counts.received_spans += 1;
                    if let Destination::Sampled = destination {
                        self.counts.sampled_spans += 1;
                        self.counts.late_sampled_spans += 1;
                        self.metrics.late_span(self.now, self.sampled.decided());
                    } else {
                        self.counts.not_sampled_spans += 1;
                        self.counts.late_not_sampled_spans += 1;
                        self.metrics.late_span(self.now, self.not_sampled.decided());
                        self.counts.dry_run_spans += 1;
                    }
                    return Ok(());
                }
                Destination::New
                    if self.stress.is_some()
                        && self.has_memory(passing, fields)
                        && let Some(threshold) = self.stress() =>
                {
                    let span = (span.bytes(), trace_id);
                    self.decide_at_once(span, threshold, fields, output);
                    return Ok(());
                }
                Destination::New if self.table.len() >= self.settings.num_traces => {
                    self.make_space(output)?;
                }
                destination @ (Destination::New | Destination::Pending(_))
                    if self.has_memory(stored, fields) =>
                {
                    self.counts.received_spans += 1;
                    let slot = match destination {
                        Destination::Pending(slot) => slot,
                        _ => self.insert(trace_id),
                    };
                    self.store(slot, span.bytes(), summary, fields);
                    self.check(slot, output);
                    return Ok(());
                }
                _ if self.store.free_spare() || self.compact() => {}
                _ if self.has_long_traces() => self.forward_long_traces(PORTION, output),
                // Its spans hold their groups.
                _ if self.writer.has_spans() => self.writer.flush(&mut self.groups, output),
                _ if self.table.len() == 0 => return self.drop_span(TailDropReason::SpanTooLarge),
                _ => self.make_space(output)?,
            }
        }
    }

    fn drop_span(&mut self, reason: TailDropReason) -> Result<(), Refused> {
        self.counts.received_spans += 1;
        self.counts.dropped_spans.add(reason, 1);
        Ok(())
    }

    fn insert(&mut self, trace_id: [u8; 16]) -> u32 {
        self.counts.new_traces += 1;
        let deadline = self.tick_after(self.settings.wait);
        let slot = self.table.insert(trace_id, deadline);
        self.recent = Some((trace_id, Destination::Pending(slot)));
        slot
    }

    /// The first tick that is `wait` from now or later.
    fn tick_after(&self, wait: Duration) -> u64 {
        let at = (self.now + wait).as_nanos().div_ceil(self.settings.tick.as_nanos());
        u64::try_from(at).unwrap_or(u64::MAX)
    }

    fn store(&mut self, slot: u32, span: &[u8], summary: SpanSummary, fields: GroupFields<'_>) {
        let group = self.group(fields);
        let Some(entry) = self.table.get(slot) else { return };
        let previous = entry.last();
        let is_new_group = previous == Address::NONE || self.store.header(previous).group != group;
        let mut bytes = span_len(span);
        if is_new_group {
            bytes += group_fields_len(fields.resource, fields.scope);
        }
        self.groups.retain(group);
        let address = self.store.append(Header { group, previous, trace: slot }, span);
        let SpanSummary { start, end, flags, is_root, .. } = summary;
        let had_root = entry.has_root();
        self.table.add(
            slot,
            Counted {
                address,
                bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
                start,
                end,
                flags,
                is_root,
            },
        );
        if let (true, false, Some(wait)) = (is_root, had_root, self.settings.wait_after_root) {
            let deadline = self.tick_after(wait);
            self.record_at_root(slot, deadline);
            self.table.hasten(slot, deadline);
        }
        if self.settings.by_ingest {
            self.touched.add(slot);
        }
    }

    /// Decides a trace that has reached a limit of its own.
    fn check(&mut self, slot: u32, output: &mut dyn TailOutput) {
        let Some(entry) = self.table.get(slot) else { return };
        if u64::from(entry.bytes()) > self.settings.max_trace_bytes {
            let outcome = outcome(Decision::Dropped);
            self.finish(slot, outcome, DecisionCause::TraceTooLarge, output);
        } else if entry.spans() >= self.settings.max_spans {
            self.decide(slot, DecisionCause::MaxSpans, output);
        }
    }

    /// The group of the spans that are taken.
    fn group(&mut self, fields: GroupFields<'_>) -> u32 {
        match self.open_group {
            Some(group) => group,
            None => {
                let group = self.groups.acquire(fields.resource, fields.scope);
                *self.open_group.insert(group)
            }
        }
    }

    /// The next span has another resource or scope.
    pub(crate) fn close_group(&mut self) {
        if let Some(group) = self.open_group.take() {
            self.groups.release(group, 1);
        }
    }

    /// The next span has another resource: `span-ingest` decides by the spans of one resource, as the Collector does.
    pub(crate) fn end_resource(&mut self, output: &mut dyn TailOutput) {
        self.touched.start();
        loop {
            self.forward_leaving(output);
            let Some((slot, spans)) = self.touched.next() else { break };
            self.decide_by_ingest(slot, spans, output);
        }
    }

    /// The request has no further span.
    pub(crate) fn end_request(&mut self, output: &mut dyn TailOutput) {
        self.close_group();
        self.end_resource(output);
        self.end(output);
    }

    /// The request has further spans, which are taken later.
    pub(crate) fn pause_request(&mut self, output: &mut dyn TailOutput) {
        self.close_group();
        self.end(output);
    }

    /// Decides the traces that are due, and writes the sampled spans.
    pub(crate) fn tick(&mut self, output: &mut dyn TailOutput) {
        self.decide_due(output);
        self.end(output);
        self.store.trim();
    }

    /// Decides the traces that are due.
    pub(crate) fn decide_due(&mut self, output: &mut dyn TailOutput) {
        // Spans that a panic of the output left behind: no later decision of this call meets them.
        self.forward_leaving(output);
        let ticks = self.now.as_nanos() / self.settings.tick.as_nanos();
        let now = u64::try_from(ticks).unwrap_or(u64::MAX);
        while let Some(slot) = self.table.due(now) {
            self.decide(slot, DecisionCause::WaitOver, output);
        }
        self.decide_candidates(output);
        if self.is_reloaded {
            self.meet_limits(output);
        }
    }

    fn end(&mut self, output: &mut dyn TailOutput) {
        self.forward_leaving(output);
        self.writer.flush(&mut self.groups, output);
        for _ in 0..MAX_COMPACTIONS {
            if !self.compact() {
                break;
            }
        }
    }

    /// The time at which the first trace is due, in time since the sampler was built.
    pub(crate) fn next_deadline(&mut self) -> Option<Duration> {
        if !self.candidates.is_empty() {
            return Some(self.now);
        }
        let nanos = u128::from(self.table.next_deadline()?) * self.settings.tick.as_nanos();
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    pub(crate) fn counts(&self) -> TailCounts {
        TailCounts {
            pending_spans: self.table.spans() + self.leaving.len() as u64 + self.long_traces.spans,
            pending_traces: self.table.len() as u64,
            policy_evaluation_errors: self.counts.policy_evaluation_errors + self.policies.errors(),
            requests: self.writer.requests(),
            malformed_trace_states: self.trace_states.malformed(),
            stress_activations: self.counts.stress_activations
                + self.stress.map_or(0, |stress| stress.activations()),
            ..self.counts
        }
    }
}

/// The spans of a trace from the last one back.
fn chain(store: &SpanStore, last: Address) -> impl Iterator<Item = Address> {
    let valid = |address: Address| (address != Address::NONE).then_some(address);
    std::iter::successors(valid(last), move |address| valid(store.header(*address).previous))
}

/// The shard of a trace, as the Collector computes it: the finalizer of SplitMix64 over both halves of the id.
pub(crate) fn shard_of(trace_id: [u8; 16], shards: usize) -> usize {
    let id = u128::from_le_bytes(trace_id);
    let mut hash = id as u64 ^ (id >> 64) as u64;
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    (hash % shards.max(1) as u64) as usize
}

/// A decision that no policy made.
fn outcome(decision: Decision) -> Outcome {
    Outcome { decision, policy: None, may_drop_later: false, update: ThresholdUpdate::None }
}

/// The spans of long traces that leave at once while the memory is short.
const PORTION: u64 = 1_024;
/// The most segments that are compacted after a request or a tick, so that neither takes long.
const MAX_COMPACTIONS: usize = 4;

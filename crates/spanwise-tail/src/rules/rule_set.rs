//! All rules of a shard, and their decisions.

use std::sync::Arc;
use std::time::Duration;

use spanwise_sampling::trace_state::OtMember;
use spanwise_sampling::{Randomness, Threshold};

use super::adaptive_throughput::{Arrival, Throughput};
use super::bottom_k::{Ranked, bottom_k};
use super::fingerprint::Fingerprint;
use super::rule::RuleMatch;
use crate::ottl::SpanCondition;
use crate::outgoing_trace_state::ThresholdUpdate;
use crate::policy::{Decision, Outcome, PolicyCounts};
use crate::span_facts::SpanFacts;
use crate::trace_view::{Summary, TraceSpans, TraceView};

/// Asks the rules in their order; the first that matches a trace decides.
pub(crate) struct RuleSet {
    rules: Vec<BuiltRule>,
    keys: Vec<Box<str>>,
}

pub(crate) struct BuiltRule {
    pub(crate) counts: PolicyCounts,
    pub(crate) conditions: Vec<SpanCondition>,
    pub(crate) matching: RuleMatch,
    pub(crate) sampler: BuiltSampler,
}

pub(crate) enum BuiltSampler {
    Always,
    Drop,
    Threshold(Threshold),
    Throughput(Arc<Throughput>, Fingerprint),
    Budget(Budget),
}

/// The decision about a trace, or the facts by which it is decided together with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleDecision {
    Decided(Outcome),
    Candidate(Candidate),
}

/// A trace that a rule with a budget matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    rule: u16,
    randomness: Randomness,
    spans: u64,
    bytes: u64,
}

impl RuleSet {
    pub(crate) fn new(rules: Vec<BuiltRule>, keys: Vec<Box<str>>) -> Self {
        Self { rules, keys }
    }

    /// Decides about a trace; one of a budget is decided by [`decide_all`](Self::decide_all) or
    /// [`decide_alone`](Self::decide_alone).
    pub(crate) fn decide<'a>(
        &'a mut self,
        trace_id: [u8; 16],
        summary: Summary,
        source: &'a dyn TraceSpans<'a>,
        now: Duration,
    ) -> RuleDecision {
        let trace = &TraceView::new(trace_id, summary, source, &self.keys);
        let (spans, bytes) = (summary.spans(), summary.bytes());
        for (index, rule) in self.rules.iter_mut().enumerate() {
            if !rule.matches(trace) {
                continue;
            }
            // Fewer than 65,535, checked when the set was built.
            let index = index as u16;
            let decision = match &mut rule.sampler {
                BuiltSampler::Always => by_threshold(index, Some(Threshold::KEEP_ALL), None),
                BuiltSampler::Drop => outcome(index, Decision::Dropped, ThresholdUpdate::None),
                BuiltSampler::Threshold(threshold) => {
                    let Arrived { randomness, .. } = Arrived::of(trace);
                    by_threshold(index, Some(*threshold), Some(randomness))
                }
                BuiltSampler::Throughput(throughput, fingerprint) => {
                    let Arrived { randomness, incoming } = Arrived::of(trace);
                    let arrival = Arrival { spans, incoming };
                    let threshold = throughput.threshold(fingerprint.of(trace), arrival, now);
                    by_threshold(index, Some(threshold), Some(randomness))
                }
                BuiltSampler::Budget(_) => {
                    let Arrived { randomness, .. } = Arrived::of(trace);
                    let candidate = Candidate { rule: index, randomness, spans, bytes };
                    return RuleDecision::Candidate(candidate);
                }
            };
            rule.count(decision.decision, spans, bytes);
            return RuleDecision::Decided(decision);
        }
        RuleDecision::Decided(Outcome {
            decision: Decision::NotSampled,
            policy: None,
            may_drop_later: false,
            update: ThresholdUpdate::None,
        })
    }

    /// Decides about the traces that are due at `now` within the budgets of their rules. Sorts them by rule.
    pub(crate) fn decide_all<T>(
        &mut self,
        traces: &mut [T],
        candidate: impl Fn(&T) -> Candidate,
        now: Duration,
        mut decided: impl FnMut(&T, Outcome),
    ) {
        traces.sort_by_key(|trace| candidate(trace).rule);
        for traces in traces.chunk_by(|a, b| candidate(a).rule == candidate(b).rule) {
            let mut ranked: Vec<Candidate> = traces.iter().map(&candidate).collect();
            let Some(rule) = ranked.first().map(|candidate| candidate.rule) else { continue };
            let Some(built) = self.rules.get_mut(usize::from(rule)) else { continue };
            let BuiltSampler::Budget(budget) = &mut built.sampler else { continue };
            let threshold = budget.threshold(&mut ranked, now);
            for trace in traces {
                let Candidate { randomness, spans, bytes, .. } = candidate(trace);
                let outcome = by_threshold(rule, threshold, Some(randomness));
                built.count(outcome.decision, spans, bytes);
                decided(trace, outcome);
            }
        }
    }

    /// Decides about a trace before its time, by the last threshold of its rule.
    pub(crate) fn decide_alone(&mut self, candidate: Candidate) -> Outcome {
        let Candidate { rule, randomness, spans, bytes } = candidate;
        let Some(built) = self.rules.get_mut(usize::from(rule)) else {
            return outcome(rule, Decision::NotSampled, ThresholdUpdate::None);
        };
        let threshold = match &built.sampler {
            BuiltSampler::Budget(budget) => budget.last,
            _ => None,
        };
        let outcome = by_threshold(rule, threshold, Some(randomness));
        if let (BuiltSampler::Budget(budget), Decision::Sampled) =
            (&mut built.sampler, outcome.decision)
        {
            budget.charge(spans);
        }
        built.count(outcome.decision, spans, bytes);
        outcome
    }

    /// Takes up the budgets of rules that `previous` has with the same name and limit.
    pub(crate) fn take_up(&mut self, previous: &Self) {
        for rule in &mut self.rules {
            let BuiltSampler::Budget(budget) = &mut rule.sampler else { continue };
            let same = previous.rules.iter().find(|known| known.counts.name == rule.counts.name);
            if let Some(BuiltSampler::Budget(known)) = same.map(|known| &known.sampler)
                && (known.per_second, known.burst) == (budget.per_second, budget.burst)
            {
                *budget = *known;
            }
        }
    }

    /// The name of the rule at `index`.
    pub(crate) fn name(&self, index: u16) -> Option<&str> {
        self.rules.get(usize::from(index)).map(|rule| rule.counts.name.as_str())
    }

    /// Number of traces for which a condition failed.
    pub(crate) fn errors(&self) -> u64 {
        self.rules.iter().map(|rule| rule.counts.errors).sum()
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = &PolicyCounts> {
        self.rules.iter().map(|rule| &rule.counts)
    }
}

impl BuiltRule {
    fn matches(&mut self, trace: &TraceView<'_>) -> bool {
        let mut has_failed = false;
        let mut holds = |condition: &SpanCondition, span: &SpanFacts<'_>| {
            let result = condition.holds(span);
            has_failed |= result.is_err();
            result.unwrap_or(false)
        };
        let matches = match (self.matching, self.conditions.as_slice()) {
            (_, []) => true,
            (RuleMatch::AnySpan, conditions) => {
                conditions.iter().all(|condition| trace.any(|span| holds(condition, span)))
            }
            (RuleMatch::SameSpan, conditions) => {
                trace.any(|span| conditions.iter().all(|condition| holds(condition, span)))
            }
        };
        self.counts.errors += u64::from(has_failed);
        matches
    }

    fn count(&mut self, decision: Decision, spans: u64, bytes: u64) {
        match decision {
            Decision::Sampled => self.counts.sampled += 1,
            Decision::NotSampled => self.counts.not_sampled += 1,
            Decision::Dropped => self.counts.dropped += 1,
        }
        self.counts.decided += 1;
        self.counts.agreed += 1;
        self.counts.add_size(decision, spans, bytes);
    }
}

/// The randomness of a trace, and the threshold with which its spans arrived.
struct Arrived {
    randomness: Randomness,
    incoming: Threshold,
}

impl Arrived {
    /// By the first `rv` and the first `th` of a span; malformed trace states have none.
    fn of(trace: &TraceView<'_>) -> Self {
        let (mut rv, mut th) = (None, None);
        trace.any(|span| {
            let header = span.trace_state().unwrap_or_default();
            // Most spans of a process have none, or the same.
            if !header.is_empty()
                && let Ok(Some(member)) = OtMember::of_header(header)
            {
                rv = rv.or(member.rv);
                th = th.or(member.th);
            }
            rv.is_some() && th.is_some()
        });
        let of_id = || Randomness::of_trace(u128::from_be_bytes(trace.trace_id()));
        let randomness = rv.unwrap_or_else(of_id);
        let incoming = th.filter(|threshold: &Threshold| threshold.keeps(randomness));
        Self { randomness, incoming: incoming.unwrap_or(Threshold::KEEP_ALL) }
    }
}

/// The spans that a rule may sample: tokens of a bucket, which the traces of a decision share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    per_second: f64,
    burst: f64,
    tokens: f64,
    updated: Duration,
    /// The threshold of the last traces that were decided together; `None` sampled none of them.
    last: Option<Threshold>,
}

impl Budget {
    /// A budget of one of `shards`.
    pub(crate) fn new(per_second: i64, burst: i64, shards: u16) -> Self {
        let shards = f64::from(shards.max(1));
        let burst = burst.max(0) as f64 / shards;
        let per_second = per_second.max(0) as f64 / shards;
        Self {
            per_second,
            burst,
            tokens: burst,
            updated: Duration::ZERO,
            last: Some(Threshold::KEEP_ALL),
        }
    }

    /// The threshold for `candidates`, whose spans are charged if they are sampled.
    fn threshold(&mut self, candidates: &mut [Candidate], now: Duration) -> Option<Threshold> {
        let passed = now.saturating_sub(self.updated).as_secs_f64();
        self.tokens = self.burst.min(self.tokens + passed * self.per_second);
        self.updated = self.updated.max(now);
        let threshold = bottom_k(candidates, self.tokens.max(0.0) as u64);
        let is_sampled = |candidate: &&Candidate| {
            threshold.is_some_and(|threshold| threshold.keeps(candidate.randomness))
        };
        let sampled = candidates.iter().take_while(is_sampled).map(|candidate| candidate.spans);
        self.charge(sampled.sum());
        self.last = threshold;
        threshold
    }

    fn charge(&mut self, spans: u64) {
        // The debt of traces that are decided before their time is at most one burst.
        self.tokens = (self.tokens - spans as f64).max(-self.burst);
    }
}

impl Ranked for Candidate {
    fn randomness(&self) -> Randomness {
        self.randomness
    }

    fn spans(&self) -> u64 {
        self.spans
    }
}

/// The outcome of R ≥ T; without randomness, the threshold keeps every trace.
fn by_threshold(
    rule: u16,
    threshold: Option<Threshold>,
    randomness: Option<Randomness>,
) -> Outcome {
    match (threshold, randomness) {
        (Some(threshold), None) => {
            outcome(rule, Decision::Sampled, ThresholdUpdate::Compose(threshold))
        }
        (Some(threshold), Some(randomness)) if threshold.keeps(randomness) => {
            outcome(rule, Decision::Sampled, ThresholdUpdate::Compose(threshold))
        }
        _ => outcome(rule, Decision::NotSampled, ThresholdUpdate::None),
    }
}

fn outcome(rule: u16, decision: Decision, update: ThresholdUpdate) -> Outcome {
    Outcome { decision, policy: Some(rule), may_drop_later: false, update }
}

//! Replays the decisions of a call on the model, each where it has to have been made.

use super::model::Model;
use super::policy_model::Predicted;
use super::recorder::Recorded;
use crate::violation::{Checked, Violation, require};
use spanwise_tail::{Decision, DecisionCause};
use std::collections::VecDeque;

pub(crate) type Decisions = VecDeque<Recorded>;

impl Model {
    /// The decisions whose time has come; those of a call that panicked may be some of them.
    pub(crate) fn replay_due(&mut self, decisions: &mut Decisions, is_complete: bool) -> Checked {
        while decisions.front().is_some_and(|it| it.cause == DecisionCause::WaitOver) {
            self.replay_next(decisions)?;
        }
        let (now, tick) = (self.now, self.scenario.tick());
        let mut pending = self.shards.iter().flat_map(|shard| shard.pending.values());
        let late = pending.find(|trace| trace.due + tick <= now).map(|trace| trace.due);
        require(!is_complete || late.is_none(), "a decision is at most a tick late", || {
            format!("due {late:?}, now {now:?}")
        })
    }

    /// `span-ingest`: the decisions by the spans of a resource, behind its last span.
    pub(crate) fn replay_resource_end(&mut self, decisions: &mut Decisions) -> Checked {
        while let Some(at) = self.first_by_ingest(decisions) {
            (0..=at).try_for_each(|_| self.replay_next(decisions))?;
        }
        for index in 0..self.shards.len() {
            let touched = std::mem::take(&mut self.shards[index].touched);
            for (id, facts) in touched {
                let Some(trace) = self.shards[index].pending.get_mut(&id) else { continue };
                let spans = trace.spans.len();
                let predicted = match facts {
                    Some(facts) => self.decider.predict(id, &facts, spans),
                    None => Predicted::UNKNOWN,
                };
                match predicted.decision {
                    Some(Decision::NotSampled) => {}
                    Some(Decision::Sampled) if predicted.may_drop_later => {
                        trace.is_sampled = Some(true)
                    }
                    None => trace.is_sampled = trace.is_sampled.filter(|is_sampled| *is_sampled),
                    Some(decision) => {
                        let details = format!("{id:02x?} is {decision}");
                        return Err(Violation {
                            rule: "span-ingest decides with the resource",
                            details,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// The first decision by the spans of the present resource.
    fn first_by_ingest(&mut self, decisions: &Decisions) -> Option<usize> {
        (0..decisions.len()).find(|at| {
            let Some(found) = decisions.get(*at) else { return false };
            let is_first = decisions.iter().position(|it| it.trace == found.trace) == Some(*at);
            let shard = self.shard(found.trace);
            let known = shard.pending.get(&found.trace).map(|trace| trace.spans.len() as u64);
            found.cause == DecisionCause::SpanIngest
                && is_first
                && shard.touched.contains_key(&found.trace)
                && known == Some(found.spans)
        })
    }

    /// The rest of a request whose output panicked, `span-ingest`'s evaluations among it.
    pub(crate) fn replay_panic(&mut self, decisions: &mut Decisions) -> Checked {
        for shard in &mut self.shards {
            for (id, facts) in &mut shard.touched {
                *facts = None;
                if let Some(trace) = shard.pending.get_mut(id) {
                    trace.is_sampled = trace.is_sampled.filter(|is_sampled| *is_sampled);
                }
            }
        }
        self.replay_all(decisions)
    }

    /// The remaining decisions of a call.
    pub(crate) fn replay_all(&mut self, decisions: &mut Decisions) -> Checked {
        while !decisions.is_empty() {
            self.replay_next(decisions)?;
        }
        Ok(())
    }

    /// The next decision that the output was passed.
    pub(crate) fn replay_next(&mut self, decisions: &mut Decisions) -> Checked {
        let Some(recorded) = decisions.pop_front() else { return Ok(()) };
        let Recorded { trace: id, decision, policy, cause, spans } = recorded;
        let (now, tick) = (self.now, self.scenario.tick());
        let by_ingest = cause == DecisionCause::SpanIngest;
        let shard = self.shard(id);
        let first_due = shard.pending.values().map(|trace| trace.due).min();
        let touched = shard.touched.get(&id).cloned().flatten();
        let pending = shard.pending.len();
        let Some(trace) = shard.pending.remove(&id) else {
            return Err(Violation {
                rule: "a decided trace was undecided",
                details: format!("{id:02x?} {cause:?}"),
            });
        };
        let predicted = match by_ingest {
            true => touched.map_or(Predicted::UNKNOWN, |facts| {
                self.decider.predict(id, &facts, trace.spans.len())
            }),
            false => self.predict(id, &trace),
        };
        let (due, known) = (trace.due, trace.spans.len() as u64);
        self.shard(id).pending.insert(id, trace);
        require(known == spans, "a trace is decided with all of its spans", || {
            format!("{spans} of {known} ({cause:?})")
        })?;
        let is_forced = cause == DecisionCause::TraceTooLarge
            || (cause == DecisionCause::Shutdown && self.scenario.drops_pending);
        let expected = if is_forced { Some(Decision::Dropped) } else { predicted.decision };
        require(
            expected.is_none_or(|it| it == decision),
            "a decision is that of the policies",
            || format!("{decision} instead of {expected:?} ({cause:?}, {:?})", self.decider),
        )?;
        if let (false, Some(index)) = (is_forced, predicted.policy) {
            require(
                policy == Some(index.to_string()),
                "a decision names the first policy that made it",
                || format!("{policy:?} instead of {index}"),
            )?;
        }
        match cause {
            DecisionCause::WaitOver => {
                require(due <= now, "no decision is early", || format!("due {due:?}, now {now:?}"))?
            }
            DecisionCause::Evicted => {
                let is_full = pending >= self.scenario.traces_per_shard();
                require(
                    is_full || self.scenario.is_tight,
                    "a trace is evicted at a limit alone",
                    || format!("{pending} traces"),
                )?;
                let is_first = first_due.is_none_or(|first| due <= first + tick);
                // A root that arrives later hastens another trace.
                let is_exact = self.scenario.after_root.is_zero();
                require(is_first || !is_exact, "the trace that is due first is evicted", || {
                    format!("due {due:?} instead of {first_due:?}")
                })?;
                require(
                    !self.scenario.blocks,
                    "a sampler that blocks evicts no trace",
                    String::new,
                )?;
                self.counts.evicted_traces += 1;
            }
            _ => {}
        }
        self.settle(id, decision, cause);
        Ok(())
    }

    /// Counts a decision; the spans of a sampled trace have to leave.
    fn settle(&mut self, id: [u8; 16], decision: Decision, cause: DecisionCause) {
        let Some(trace) = self.decide(id, decision) else { return };
        let spans = trace.spans.len() as u64;
        if decision == Decision::Sampled || self.scenario.dry_run {
            trace.spans.into_iter().for_each(|(left, _)| self.expect(left));
        }
        if decision != Decision::Sampled && self.scenario.dry_run {
            self.counts.dry_run_spans += spans;
        }
        match decision {
            Decision::Sampled => {
                self.counts.sampled_traces += 1;
                self.counts.sampled_spans += spans;
            }
            Decision::NotSampled => {
                self.counts.not_sampled_traces += 1;
                self.counts.not_sampled_spans += spans;
            }
            Decision::Dropped => {
                self.counts.dropped_traces += 1;
                let counts = &mut self.counts;
                let by_shutdown = cause == DecisionCause::Shutdown && self.scenario.drops_pending;
                counts.too_large_traces += u64::from(cause == DecisionCause::TraceTooLarge);
                counts.shutdown_traces += u64::from(by_shutdown);
                let dropped = &mut counts.dropped_spans;
                match cause {
                    DecisionCause::TraceTooLarge => dropped.trace_too_large += spans,
                    DecisionCause::Shutdown if by_shutdown => dropped.shutdown += spans,
                    _ => dropped.drop_policy += spans,
                }
            }
        }
    }
}

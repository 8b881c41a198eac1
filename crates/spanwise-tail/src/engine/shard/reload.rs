//! New settings for a shard while traces wait.

use std::collections::HashMap;
use std::time::Duration;

use super::{Shard, chain};
use crate::engine::decided_trace::DecisionCause;
use crate::engine::decider::Decider;
use crate::engine::output::TailOutput;
use crate::engine::timer_wheel::TimerWheel;
use crate::engine::trace_table::{Entry, TraceTable};
use crate::engine::validated::ShardSettings;

impl Shard {
    /// Replaces settings and policies for all traces that are not decided yet. Traces beyond new limits are decided by the next call.
    pub(crate) fn reload(&mut self, settings: ShardSettings, mut policies: Decider) {
        policies.take_up(&self.policies);
        self.stress = match (settings.stress, self.stress) {
            (Some(stress), Some(previous)) => Some(stress.after(previous)),
            (None, Some(previous)) => {
                self.counts.stress_activations += previous.activations();
                None
            }
            (stress, None) => stress,
        };
        let previous = std::mem::replace(&mut self.settings, settings);
        // Candidates refer to rules that are replaced: they are decided anew.
        if (settings.wait, settings.num_traces) != (previous.wait, previous.num_traces)
            || !self.candidates.is_empty()
        {
            self.candidates.clear();
            self.rebuild_table(previous);
        }
        self.rebuild_caches(&policies);
        self.recent = None;
        self.record_none();
        self.store.set_max_bytes(settings.span_bytes);
        self.writer.set_max_bytes(settings.max_request_bytes);
        self.set_policies(policies);
        self.is_reloaded = true;
    }

    /// Moves the traces to a table of the present size. A trace is due as if it had arrived under the present wait, unless its root has
    /// set its deadline: such a trace waits no longer than the present wait from now.
    fn rebuild_table(&mut self, previous: ShardSettings) {
        let settings = self.settings;
        let nanos = self.now.as_nanos() / settings.tick.as_nanos();
        let (first, last) =
            (u64::try_from(nanos).unwrap_or(u64::MAX), self.tick_after(settings.wait));
        let deadline = |entry: &Entry, due: Option<u64>| {
            let Some(due) = due else { return first };
            let due = u128::from(due) * previous.tick.as_nanos();
            let due = Duration::from_nanos(u64::try_from(due).unwrap_or(u64::MAX));
            let has_own = previous.wait_after_root.is_some() && entry.has_root();
            let due = match has_own {
                true => due,
                false => (due + settings.wait).saturating_sub(previous.wait),
            };
            let tick = due.as_nanos().div_ceil(settings.tick.as_nanos());
            u64::try_from(tick).unwrap_or(u64::MAX).clamp(first, last)
        };
        let wheel = TimerWheel::new(settings.ticks);
        let slots = self.table.rebuild(settings.num_traces, wheel, deadline);
        self.recent = None;
        let moved = |slot: &mut u32| {
            let new = slots.get(*slot as usize).copied().filter(|slot| *slot != u32::MAX);
            new.map(|new| *slot = new).is_some()
        };
        self.touched.retain_mut(moved);
        for slot in slots.iter().copied() {
            let Some(entry) = self.table.get(slot) else { continue };
            let mut next = chain(&self.store, entry.last()).next();
            while let Some(address) = next {
                next = chain(&self.store, address).nth(1);
                self.store.change(address, |header| header.trace = slot);
            }
        }
    }

    /// Late spans of decisions by policies that are replaced follow them, without their name.
    fn rebuild_caches(&mut self, policies: &Decider) {
        let names = policies.counts().map(|counts| counts.name.as_str());
        let indexes: HashMap<&str, u16> = names.zip(0..).collect();
        let index = |previous: u16| indexes.get(self.policies.name(previous)?).copied();
        let (sampled, not_sampled) = self.settings.cache_sizes;
        self.sampled.rebuild(sampled, self.settings.remembers_updates, index);
        self.not_sampled.rebuild(not_sampled, false, index);
    }

    /// Decides the traces beyond limits that a reload lowered; those of a shard that blocks wait for their time.
    pub(super) fn meet_limits(&mut self, output: &mut dyn TailOutput) {
        while !self.settings.blocks {
            let exceeds_memory = self.span_memory() > self.settings.span_bytes;
            if exceeds_memory && (self.store.free_spare() || self.compact()) {
                continue;
            }
            if exceeds_memory && self.has_long_traces() {
                self.forward_long_traces(u64::MAX, output);
                continue;
            }
            if exceeds_memory && self.writer.has_spans() {
                self.writer.flush(&mut self.groups, output);
                continue;
            }
            let exceeds = exceeds_memory || self.table.len() > self.settings.num_traces;
            let Some(slot) = self.table.earliest().filter(|_| exceeds) else { break };
            self.decide(slot, DecisionCause::Evicted, output);
        }
        if self.table.len() <= self.settings.num_traces {
            if self.table.max() > self.settings.num_traces {
                self.rebuild_table(self.settings);
            }
            self.is_reloaded = false;
        }
    }

    /// Bytes of the table beyond those of its settings.
    pub(super) fn excess_bytes(&self) -> usize {
        TraceTable::bytes(self.table.max())
            .saturating_sub(TraceTable::bytes(self.settings.num_traces))
    }
}

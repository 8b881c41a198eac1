//! The part of the metrics that a shard counts while it decides.

use std::time::Duration;

use super::histogram::WholeHistogram;
use crate::policy::PolicyCounts;

/// Ages of traces and spans, and the counts of policies that were replaced.
pub(crate) struct ShardMetrics {
    /// From the decision until a late span, in seconds.
    pub(crate) late_span_age: WholeHistogram,
    /// From the first span of a trace until its decision, in seconds.
    pub(crate) trace_removal_age: WholeHistogram,
    /// The time of a tick, in milliseconds, as the caller measured it.
    pub(crate) tick_latency: WholeHistogram,
    /// The counts of the policies before the present ones, of those names that are still in use.
    replaced: Vec<PolicyCounts>,
}

impl Default for ShardMetrics {
    fn default() -> Self {
        Self {
            late_span_age: WholeHistogram::new(SECONDS),
            trace_removal_age: WholeHistogram::new(SECONDS),
            tick_latency: WholeHistogram::new(MILLISECONDS),
            replaced: Vec::new(),
        }
    }
}

impl ShardMetrics {
    /// Records a span that arrived at `now` after the decision about its trace at `decided` ([`wrapped_seconds`]).
    #[inline]
    pub(crate) fn late_span(&mut self, now: Duration, decided: u16) {
        self.late_span_age.record(wrapped_seconds(now).wrapping_sub(decided).into());
    }

    /// Records the time of a tick.
    pub(crate) fn record_tick(&mut self, time: Duration) {
        self.tick_latency.record(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// Retains the counts of policies that are replaced by those with the names `next`, so that sums never go back.
    pub(crate) fn replace<'a>(
        &mut self,
        counts: impl Iterator<Item = &'a PolicyCounts>,
        next: impl Iterator<Item = &'a PolicyCounts>,
    ) {
        let mut replaced: Vec<PolicyCounts> = counts.cloned().collect();
        self.add_replaced(&mut replaced);
        let next: Vec<&str> = next.map(|policy| policy.name.as_str()).collect();
        // The names of all policies that ever were could be any number.
        replaced.retain(|policy| next.contains(&policy.name.as_str()));
        self.replaced = replaced;
    }

    /// Adds the counts of earlier policies to those of the same names.
    pub(crate) fn add_replaced(&self, counts: &mut [PolicyCounts]) {
        for policy in counts {
            let earlier = self.replaced.iter().find(|earlier| earlier.name == policy.name);
            earlier.into_iter().for_each(|earlier| policy.add(earlier));
        }
    }

    /// Becomes a copy of `other`; its memory is reused.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.late_span_age.clone_from(&other.late_span_age);
        self.trace_removal_age.clone_from(&other.trace_removal_age);
        self.tick_latency.clone_from(&other.tick_latency);
        self.replaced.clone_from(&other.replaced);
    }

    /// Adds the histograms of another shard.
    pub(crate) fn add(&mut self, other: &Self) {
        self.late_span_age.add(&other.late_span_age);
        self.trace_removal_age.add(&other.trace_removal_age);
        self.tick_latency.add(&other.tick_latency);
    }
}

/// Seconds modulo 65,536: two bytes in place of eight for each remembered decision.
pub(crate) fn wrapped_seconds(time: Duration) -> u16 {
    time.as_secs() as u16
}

/// The bounds of OpenTelemetry's SDKs, which the Collector leaves as they are.
const SECONDS: &[u64] =
    &[0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000];
/// The Collector's.
const MILLISECONDS: &[u64] = &[
    1, 2, 5, 10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1_000, 2_000, 3_000, 4_000, 5_000,
    10_000, 20_000, 30_000, 50_000,
];

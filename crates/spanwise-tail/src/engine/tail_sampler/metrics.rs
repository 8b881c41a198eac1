//! The metrics of the samplers.

use std::time::Duration;

use spanwise_metrics::Metric;

use super::{ShardedTailSampler, TailSampler};
use crate::metrics::{Counted, ShardMetrics, snapshot};

impl TailSampler {
    /// The metrics of the Collector's `tail_sampling` processor v0.161, in the order of their names; `sampling_policy_execution_time_sum`
    /// is missing, because the sampler has no clock. Sums and histograms never go back while a policy stays, also when
    /// [`set_policies`](Self::set_policies) changes others.
    ///
    /// ```
    /// # use std::time::Instant;
    /// use spanwise_metrics::{MetricsSnapshot, TextEncoder, TextFormat};
    /// # use spanwise_tail::{Policy, PolicyKind, TailSampler, TailSamplingConfig};
    /// # let config = TailSamplingConfig::default().with_policy(Policy::new("all", PolicyKind::AlwaysSample));
    /// # let sampler = TailSampler::new(&config, Instant::now())?;
    /// # let (start_unix_nanos, now_unix_nanos) = (1, 2);
    ///
    /// // `spanwise-metrics` writes it as OTLP or as text for Prometheus.
    /// let mut snapshot = MetricsSnapshot::new(start_unix_nanos, now_unix_nanos);
    /// for metric in sampler.metrics() {
    ///     snapshot.push(metric)?;
    /// }
    /// println!("{}", TextEncoder::new(TextFormat::Prometheus).encode(&snapshot));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cost
    /// Allocates the list: once per period of export, not per request.
    pub fn metrics(&self) -> Vec<Metric> {
        self.inner.metrics()
    }

    /// Records the time that the caller measured for a call of [`tick`](Self::tick), for the metric `sampling_decision_timer_latency`.
    pub fn record_tick(&mut self, time: Duration) {
        self.inner.record_tick(time);
    }
}

impl ShardedTailSampler {
    /// As [`TailSampler::metrics`], of all shards together.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut shards = ShardMetrics::default();
        let mut policies = self.policy_counts();
        for shard in &self.shards {
            shards.add(shard.metrics());
            shard.metrics().add_replaced(&mut policies);
        }
        snapshot(&Counted { counts: self.counts(), policies, shards: &shards })
    }

    /// As [`TailSampler::record_tick`].
    pub fn record_tick(&mut self, time: Duration) {
        if let Some(shard) = self.shards.first_mut() {
            shard.metrics_mut().record_tick(time);
        }
    }
}

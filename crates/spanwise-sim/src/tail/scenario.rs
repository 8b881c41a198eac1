//! The settings of a world of the tail sampler, all drawn from its seed.

use super::decider_model::DeciderModel;
use crate::random::Random;
use spanwise_tail::{SamplingStrategy, StressRelief, TailSamplingConfig};
use std::time::Duration;

/// The settings of a world.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) wait: Duration,
    pub(crate) after_root: Duration,
    pub(crate) num_traces: usize,
    pub(crate) shards: u16,
    pub(crate) blocks: bool,
    pub(crate) first_match: bool,
    pub(crate) drops_pending: bool,
    pub(crate) by_ingest: bool,
    /// 0 means no bound.
    pub(crate) max_trace_bytes: u64,
    pub(crate) max_spans: u32,
    pub(crate) max_request_bytes: usize,
    /// Sampled and not sampled; 0 means twice the number of traces.
    pub(crate) caches: (usize, usize),
    pub(crate) budget: usize,
    /// Whether the traffic may fill the memory.
    pub(crate) is_tight: bool,
    pub(crate) decider: DeciderModel,
    pub(crate) dry_run: bool,
    pub(crate) stress: Option<StressRelief>,
    /// One call of the output in this many panics.
    pub(crate) panics: Option<u64>,
    pub(crate) operations: u64,
    /// The most spans of a request.
    pub(crate) batch: u64,
    pub(crate) span_bytes: u64,
    pub(crate) groups: usize,
    /// Traces to which spans are added at a time.
    pub(crate) active: u64,
    /// Whether trace ids share their right halves now and then.
    pub(crate) collides: bool,
    /// The largest pause between two operations, in milliseconds.
    pub(crate) pause_millis: u64,
}

impl Scenario {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let by_ingest = random.one_in(4);
        let is_tight = random.one_in(3);
        let shards = random.pick(&[(5, 1), (1, 2), (1, 5)]);
        let num_traces = random.scaled(usize::from(shards) as u64, 300) as usize;
        let span_bytes =
            random.pick(&[(5, 60), (2, 1_000), (2, if is_tight { 20_000 } else { 4_000 })]);
        let cache = |random: &mut Random| match random.one_in(2) {
            true => 0,
            false => random.scaled(1, 500) as usize,
        };
        let max_request_bytes = random.scaled(1_024, 60_000) as usize;
        let panics = random.one_in(4).then(|| random.between(2, 30));
        // The model does not see at which span of a request a trace is evicted for lack of memory, nor which spans were looked up before a
        // panic: the caches never overflow then.
        let caches = match is_tight || panics.is_some() {
            true => (20_000, 20_000),
            false => (cache(random), cache(random)),
        };
        let mut scenario = Self {
            wait: Duration::from_millis(random.pick(&[
                (1, 0),
                (3, 500),
                (3, 10_000),
                (1, 60_000),
                (1, 3_600_000),
            ])),
            after_root: Duration::from_millis(random.pick(&[
                (3, 0),
                (1, 1),
                (1, 700),
                (1, 20_000),
            ])),
            num_traces,
            shards,
            blocks: random.one_in(4),
            first_match: random.one_in(3),
            drops_pending: random.one_in(3),
            by_ingest,
            max_trace_bytes: match random.one_in(4) {
                true => random.scaled(300, 60_000),
                false => 0,
            },
            max_spans: match random.one_in(4) {
                true => random.between(1, 12) as u32,
                false => (1 << 24) - 1,
            },
            max_request_bytes,
            caches,
            budget: 256 << 20,
            is_tight,
            decider: DeciderModel::draw(random, by_ingest),
            dry_run: random.one_in(6),
            stress: None,
            panics,
            operations: random.between(5, 100),
            batch: random.pick(&[(2, 1), (4, 12), (1, 60)]),
            span_bytes,
            groups: random.scaled(1, 12) as usize,
            active: random.scaled(1, 40),
            // Under pressure, the model does not see in which order such traces are decided.
            collides: !is_tight && random.one_in(10),
            pause_millis: random.pick(&[(3, 100), (3, 2_000), (1, 20_000)]),
        };
        if !scenario.dry_run && random.one_in(5) {
            let begin = random.between(30, 100);
            let end = random.between(20, begin.min(90)) as f64;
            let relief = StressRelief::default()
                .with_levels(begin as f64, end)
                .with_minimum_activation_duration(random.millis(0, 30_000))
                .with_sampling_percentage(random.between(1, 100) as f64);
            scenario.stress = Some(relief);
            // The share of the memory in use is small, so that the model knows the larger share of the traces.
            scenario.budget = 16 << 30;
        }
        if is_tight {
            scenario.budget = scenario.least_budget() + random.scaled(1, 600_000) as usize;
        }
        scenario
    }

    /// The smallest budget that the sampler accepts, as its error states it.
    fn least_budget(&self) -> usize {
        let config = Self { budget: 0, ..self.clone() }.config();
        let error = spanwise_tail::ShardedTailSampler::new(&config, std::time::Instant::now());
        let text = error.err().map(|error| error.to_string()).unwrap_or_default();
        let least = text.split(' ').rev().nth(2).and_then(|number| number.parse().ok());
        least.unwrap_or(64 << 20)
    }

    pub(crate) fn config(&self) -> TailSamplingConfig {
        let mut config = TailSamplingConfig::default()
            .with_decision_wait(self.wait)
            .with_decision_wait_after_root_received(self.after_root)
            .with_num_traces(self.num_traces)
            .with_num_shards(self.shards)
            .with_block_on_overflow(self.blocks)
            .with_sample_on_first_match(self.first_match)
            .with_drop_pending_traces_on_shutdown(self.drops_pending)
            .with_maximum_trace_size_bytes(self.max_trace_bytes)
            .with_max_spans_per_trace(self.max_spans)
            .with_max_request_bytes(self.max_request_bytes)
            .with_decision_cache(self.caches.0, self.caches.1)
            .with_max_memory_bytes(self.budget);
        if self.by_ingest {
            config = config.with_sampling_strategy(SamplingStrategy::SpanIngest);
        }
        config.stress_relief = self.stress;
        self.decider.configure(config.with_dry_run(self.dry_run))
    }

    /// The longest time from the due time of a decision to the tick that makes it.
    pub(crate) fn tick(&self) -> Duration {
        Duration::from_millis(50).max(self.wait / 16_384)
    }

    /// The most undecided traces of a shard.
    pub(crate) fn traces_per_shard(&self) -> usize {
        (self.num_traces / usize::from(self.shards)).max(1)
    }

    /// Whether sampled spans may leave with a threshold.
    pub(crate) fn writes_thresholds(&self) -> bool {
        !self.dry_run && (self.decider.has_rules() || self.stress.is_some())
    }

    /// Whether the model knows when stress begins: how much memory is in use counts where that is short, and a panic leaves open which span
    /// was looked up.
    pub(crate) fn knows_stress(&self) -> bool {
        !self.is_tight && self.panics.is_none()
    }

    /// The decisions that each shard remembers.
    pub(crate) fn cache_sizes(&self) -> (usize, usize) {
        let size = |size: usize| {
            let size = if size == 0 { self.num_traces * 2 } else { size };
            (size / usize::from(self.shards)).max(1)
        };
        (size(self.caches.0), size(self.caches.1))
    }
}

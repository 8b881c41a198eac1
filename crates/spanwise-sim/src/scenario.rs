//! The settings of one world, all drawn from its seed.

use crate::endpoint_settings::{DestinationSettings, EndpointSettings};
use crate::hold_policy::LONGEST_HOLD;
use crate::random::Random;
use spanwise_batch::{AdaptiveBatchSize, BatchSize};
use spanwise_export::{BatchConfig, Exporter, ExporterBuilder, OnFull};
use spanwise_ledger::Ledger;
use spanwise_sampling::Threshold;
use spanwise_wire::write::encode_resource;
use std::time::Duration;

/// The settings of a world.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Bytes of the budget.
    pub budget_bytes: usize,
    /// The settings of batching, which change while the world runs.
    pub batch: BatchConfig,
    /// The behaviour of a queue without space. A single thread cannot wait: it waits until now.
    pub on_full: OnFull,
    /// The sampler's threshold, where whole traces are shed.
    pub sampler: Threshold,
    /// Slots of the sharded buffer.
    pub slots: usize,
    /// Threads that end spans.
    pub threads: usize,
    /// Instrumentation scopes.
    pub scopes: usize,
    /// Traces that the spans are of.
    pub traces: u64,
    /// The destinations of the spans.
    pub destinations: Vec<DestinationSettings>,
    /// The longest time from a wake-up of the exporter's thread to its turn.
    pub lag: Duration,
    /// Whether a policy decides how long chunks are held back.
    pub has_policy: bool,
    /// Whether tail sampling decides which traces are exported.
    pub has_tail: bool,
    /// Whether turns of the exporter's thread panic now and then.
    pub panics: bool,
    /// The number of operations before the end.
    pub operations: u64,
    /// The typical length of a span's name.
    pub span_bytes: u64,
    /// The largest pause between two operations, in milliseconds.
    pub pause_millis: u64,
}

impl Scenario {
    /// Draws the settings.
    pub fn draw(seed: u64, random: &mut Random) -> Self {
        let destinations = DestinationSettings::draw_all(random);
        let several = destinations.iter().flat_map(|it| &it.endpoints).count() > 1;
        let budget_mib = match several {
            // Each endpoint has a share, with space for a request and its copies.
            true => random.pick(&[(4, 4_usize), (1, 8), (1, 16)]),
            false => random.pick(&[(6, 1), (2, 2), (1, 4), (1, 16)]),
        };
        Self {
            budget_bytes: budget_mib << 20,
            destinations,
            batch: batch_config(random),
            on_full: random.pick(&[
                (2, OnFull::Drop),
                (1, OnFull::Wait(Duration::ZERO)),
                (1, OnFull::ShedByTrace),
            ]),
            slots: random.between(1, 8) as usize,
            threads: random.between(1, 6) as usize,
            scopes: random.between(1, 4) as usize,
            traces: random.scaled(1, 40),
            lag: Duration::from_millis(random.pick(&[(3, 0), (1, 3), (1, 20)])),
            has_policy: random.one_in(6),
            panics: random.one_in(6),
            operations: random.between(5, 120),
            span_bytes: random.pick(&[(4, 100), (3, 2_000), (2, 10_000), (1, 100_000)]),
            pause_millis: random.pick(&[(3, 20), (3, 400), (1, 5_000)]),
            sampler: Threshold::nearest(random.pick(&[(4, 1.0), (1, 0.4), (1, 0.01)])),
            // No number is drawn, so that the other worlds stay as they are.
            has_tail: seed % 6 == 5,
        }
    }

    /// The builder of the exporter of this world, which books in `ledger`.
    ///
    /// # Errors
    /// The transport refuses a setting.
    pub fn builder(&self, ledger: Ledger) -> Result<ExporterBuilder, String> {
        let mut destinations = self.destinations.iter().map(DestinationSettings::destination);
        let first = destinations.next().ok_or("a world has a destination")??;
        let mut builder = Exporter::builder(first);
        for other in destinations {
            builder = builder.with_destination(other?);
        }
        let batch = &self.batch;
        let builder = builder
            .with_ledger(ledger)
            .with_resource(encode_resource([("service.name", "simulated")], ""))
            .with_slots(self.slots)
            .with_budget_bytes(self.budget_bytes)
            .with_max_in_flight(batch.max_in_flight)
            .with_max_export_batch_size(batch.max_export_batch_size)
            .with_max_request_bytes(batch.max_request_bytes)
            .with_scheduled_delay(batch.scheduled_delay)
            .with_hold_back(batch.hold_back)
            .with_on_full(self.on_full);
        let builder = match batch.max_queue_size {
            Some(spans) => builder.with_max_queue_size(spans),
            None => builder,
        };
        Ok(match batch.batch_size {
            Some(size) => builder.with_batch_size(size),
            None => builder,
        })
    }

    /// Whether drained chunks are held back.
    pub fn holds_back(&self) -> bool {
        self.has_policy || self.has_tail || !self.batch.hold_back.is_zero()
    }

    /// The longest time from the end of a span to its request, while one may be sent.
    pub fn longest_wait(&self) -> Duration {
        let hold = if self.has_policy { LONGEST_HOLD } else { self.batch.hold_back };
        // A trace waits for a drain of every slot after its root, for two delays at most.
        let tail =
            if self.has_tail { self.batch.scheduled_delay * 2 + TICK } else { Duration::ZERO };
        self.batch.scheduled_delay + hold + tail
    }

    /// Whether tail sampling exports the trace with this index.
    pub fn is_tail_sampled(&self, trace: u64) -> bool {
        !self.has_tail || trace.is_multiple_of(3)
    }

    /// The endpoints of all destinations, in the order in which the exporter counts them.
    pub fn endpoints(&self) -> impl Iterator<Item = &EndpointSettings> {
        self.destinations.iter().flat_map(|it| &it.endpoints)
    }
}

/// The interval at which the exporter looks at its queue.
const TICK: Duration = Duration::from_millis(100);

/// Draws settings of batching.
pub fn batch_config(random: &mut Random) -> BatchConfig {
    let queue = random.one_in(3).then(|| random.scaled(16, 4_000) as usize);
    let batch = match random.one_in(2) {
        true => random.scaled(1, 300) as usize,
        false => 8_192,
    };
    let adaptive = BatchSize::Adaptive(AdaptiveBatchSize::default());
    let size = random.pick(&[(4, None), (1, Some(BatchSize::Dynamic)), (2, Some(adaptive))]);
    BatchConfig::default()
        .with_max_queue_size(queue)
        .with_max_export_batch_size(queue.map_or(batch, |queue| batch.min(queue)))
        .with_max_request_bytes(random.scaled(64 << 10, 3_932_160) as usize)
        .with_scheduled_delay(random.millis(1, 10_000))
        .with_max_in_flight(random.between(1, 8) as usize)
        .with_batch_size(size)
        .with_hold_back(match random.one_in(4) {
            true => random.millis(1, 3_000),
            false => Duration::ZERO,
        })
}

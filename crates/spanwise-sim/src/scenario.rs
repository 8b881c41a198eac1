//! The settings of one world, all drawn from its seed.

use crate::breaker::BreakerSettings;
use crate::hold_policy::LONGEST_HOLD;
use crate::random::Random;
use spanwise_batch::{AdaptiveBatchSize, BatchSize};
use spanwise_export::{BatchConfig, Exporter, ExporterBuilder, OnFull};
use spanwise_ledger::Ledger;
use spanwise_sampling::Threshold;
use spanwise_transport::sans_io::{Admission, RequestSettings};
use spanwise_transport::{
    BuildError, CircuitBreaker, Compression, Protocol, RetryPolicy, Transport,
};
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
    /// Whether requests are compressed, which charges the budget for a copy.
    pub is_compressed: bool,
    /// Slots of the sharded buffer.
    pub slots: usize,
    /// Threads that end spans.
    pub threads: usize,
    /// Instrumentation scopes.
    pub scopes: usize,
    /// The protocol by which responses are classified.
    pub protocol: Protocol,
    /// The timeouts and retries of requests.
    pub request: RequestSettings,
    /// The circuit breaker of the transport.
    pub breaker: Option<BreakerSettings>,
    /// The longest wait of the sender's own between two attempts.
    pub retry_cap: Duration,
    /// The maximum bytes of a request that the receiver reads.
    pub receiver_bytes: Option<u64>,
    /// The longest time from a wake-up of the exporter's thread to its turn.
    pub lag: Duration,
    /// Whether a policy decides how long chunks are held back.
    pub has_policy: bool,
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
    pub fn draw(random: &mut Random) -> Self {
        let budget_bytes = random.pick(&[(6, 1), (2, 2), (1, 4), (1, 16)]) << 20;
        let attempt_timeout = random.millis(5, 12_000);
        let request_timeout = random.millis(5, 60_000).max(attempt_timeout);
        let retry_cap = random.millis(1, 10_000);
        let retry = RetryPolicy::default()
            .with_initial(random.millis(1, 1_000))
            .with_factor(1.0 + random.below(20) as f64 / 10.0)
            .with_cap(retry_cap);
        let protocol = random.pick(&[(2, Protocol::HttpProtobuf), (1, Protocol::Grpc)]);
        Self {
            budget_bytes,
            batch: batch_config(random),
            on_full: random.pick(&[
                (2, OnFull::Drop),
                (1, OnFull::Wait(Duration::ZERO)),
                (1, OnFull::ShedByTrace),
            ]),
            is_compressed: random.one_in(3),
            slots: random.between(1, 8) as usize,
            threads: random.between(1, 6) as usize,
            scopes: random.between(1, 4) as usize,
            protocol,
            request: RequestSettings { attempt_timeout, request_timeout, retry },
            breaker: random.one_in(2).then(|| BreakerSettings {
                failures: random.between(1, 8) as u32,
                open_time: random.millis(1, 10_000),
            }),
            retry_cap,
            receiver_bytes: random.one_in(3).then(|| random.scaled(500, 1 << 20)),
            lag: Duration::from_millis(random.pick(&[(3, 0), (1, 3), (1, 20)])),
            has_policy: random.one_in(6),
            panics: random.one_in(6),
            operations: random.between(5, 120),
            span_bytes: random.pick(&[(4, 100), (3, 2_000), (2, 10_000), (1, 100_000)]),
            pause_millis: random.pick(&[(3, 20), (3, 400), (1, 5_000)]),
            sampler: Threshold::nearest(random.pick(&[(4, 1.0), (1, 0.4), (1, 0.01)])),
        }
    }

    /// The builder of the exporter of this world, which books in `ledger`.
    ///
    /// # Errors
    /// The transport refuses a setting.
    pub fn builder(&self, ledger: Ledger) -> Result<ExporterBuilder, BuildError> {
        let compression = match self.is_compressed {
            true => Compression::Gzip,
            false => Compression::None,
        };
        // It sends nothing: the world's own sender takes the requests.
        let transport = Transport::builder().with_compression(compression).build()?;
        let batch = &self.batch;
        let builder = Exporter::builder(transport)
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
        self.has_policy || !self.batch.hold_back.is_zero()
    }

    /// The longest time from the end of a span to its request, while one may be sent.
    pub fn longest_wait(&self) -> Duration {
        let hold = if self.has_policy { LONGEST_HOLD } else { self.batch.hold_back };
        self.batch.scheduled_delay + hold
    }

    /// The circuit breaker, whose open time has the limit of a throttle.
    pub fn breaker(&self) -> Option<BreakerSettings> {
        let limit = |it: BreakerSettings| BreakerSettings {
            open_time: it.open_time.min(self.max_throttle()),
            ..it
        };
        self.breaker.map(limit)
    }

    /// The state that all requests share.
    pub fn admission(&self) -> Admission {
        let breaker = self.breaker.map(|it| {
            CircuitBreaker::default().with_failures(it.failures).with_open_time(it.open_time)
        });
        Admission::new(self.max_throttle(), breaker)
    }

    /// The longest time for which a receiver can stop all requests by `Retry-After`: as
    /// `TransportBuilder::with_request_timeout` documents it.
    pub fn max_throttle(&self) -> Duration {
        let RequestSettings { attempt_timeout, request_timeout, .. } = self.request;
        request_timeout.saturating_sub(attempt_timeout).max(request_timeout / 2)
    }
}

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

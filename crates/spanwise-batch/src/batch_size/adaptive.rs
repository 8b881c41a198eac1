//! The batch size that follows the rate of arrivals, the backlog and the latency of requests, in bytes.

use crate::batch_size::arrival_rate::ArrivalRate;
use crate::batch_size::latency::LatencyModel;
use crate::batch_size::observation::{BatchLimits, BatchObservation, RequestObservation};
use std::time::{Duration, Instant};

/// Settings of a batch size that follows the load and the receiver, in bytes.
///
/// Each request costs client and receiver CPU time, and each byte that waits for its batch becomes older.
/// The size at which the sum of both is lowest is that of the economic order quantity: it grows with the
/// square root of the rate at which bytes arrive, and falls where a receiver takes long for each byte. It
/// rises above that as far as a receiver that takes long for each request needs to keep up with the rate
/// and the backlog, and falls after a request that failed. A change of less than a third changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdaptiveBatchSize {
    /// Lowest size in bytes, 1 or more. Default 16 KiB.
    pub min_bytes: usize,
    /// Highest size in bytes, at least `min_bytes`. Default 768 KiB. An exporter whose requests are
    /// smaller lowers it.
    pub max_bytes: usize,
    /// Limit on the spans of a batch, 1 or more. Default 8,192.
    pub max_spans: usize,
    /// The cost of one request, in bytes that wait for a second. Default 76 KiB: a request is worth it
    /// when it saves 304 spans of 256 bytes a second of waiting. A higher value makes larger batches.
    pub request_cost: usize,
    /// The delay after which a batch is sent in any case, 1 ms or longer: where it ends most batches, a size
    /// only adds requests to them. Default 1 s. An exporter sets its own.
    pub scheduled_delay: Duration,
}

impl Default for AdaptiveBatchSize {
    fn default() -> Self {
        Self {
            min_bytes: 16 << 10,
            max_bytes: 768 << 10,
            max_spans: 8_192,
            request_cost: 76 << 10,
            scheduled_delay: Duration::from_secs(1),
        }
    }
}

impl AdaptiveBatchSize {
    /// Sets [`min_bytes`](Self::min_bytes).
    pub fn with_min_bytes(mut self, bytes: usize) -> Self {
        self.min_bytes = bytes;
        self
    }

    /// Sets [`max_bytes`](Self::max_bytes).
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets [`max_spans`](Self::max_spans).
    pub fn with_max_spans(mut self, spans: usize) -> Self {
        self.max_spans = spans;
        self
    }

    /// Sets [`request_cost`](Self::request_cost).
    pub fn with_request_cost(mut self, byte_seconds: usize) -> Self {
        self.request_cost = byte_seconds;
        self
    }

    /// Sets [`scheduled_delay`](Self::scheduled_delay).
    pub fn with_scheduled_delay(mut self, delay: Duration) -> Self {
        self.scheduled_delay = delay;
        self
    }

    /// The nearest values that are in range.
    fn fitted(mut self) -> Self {
        self.min_bytes = self.min_bytes.max(1);
        self.max_bytes = self.max_bytes.max(self.min_bytes);
        self.max_spans = self.max_spans.max(1);
        self.scheduled_delay = self.scheduled_delay.max(SHORTEST_DELAY);
        self
    }
}

/// The size, and the measurements that it follows.
#[derive(Debug, Clone)]
pub(super) struct Adaptive {
    config: AdaptiveBatchSize,
    rate: ArrivalRate,
    latency: LatencyModel,
    /// Mean bytes of a span.
    span_bytes: f64,
    /// The size in bytes, within the bounds of `config`.
    bytes: f64,
    /// The number of spans that have about as many bytes.
    spans: f64,
    /// The size above which requests failed lately.
    ceiling: f64,
    /// The requests within a delay, 1 to `FEW`, or `FEW + 1` for any more.
    requests: u32,
}

impl Adaptive {
    pub(super) fn new(config: AdaptiveBatchSize, now: Instant) -> Self {
        let mut adaptive = Self {
            config,
            rate: ArrivalRate::new(now),
            latency: LatencyModel::default(),
            span_bytes: START_SPAN,
            bytes: START,
            spans: START / START_SPAN,
            ceiling: f64::INFINITY,
            requests: FEW + 1,
        };
        adaptive.configure(config);
        adaptive
    }

    /// Changes the settings; the measurements stay.
    pub(super) fn configure(&mut self, config: AdaptiveBatchSize) {
        self.config = config.fitted();
        self.resize(self.bounded(self.bytes));
    }

    pub(super) fn observe(&mut self, now: Instant, observation: &BatchObservation) {
        let ended = observation.request.map_or(0, |request| request.bytes);
        self.rate.observe(now, observation.backlog_bytes, ended, MANY * self.bytes);
        if let Some(request) = &observation.request {
            self.ended(now, request);
        }
        let Some(rate) = self.rate.bytes_per_second() else { return };
        let target = self.target(rate, observation.backlog_bytes);
        let wanted = self.bounded(target);
        let is_bound = wanted <= self.bounded(0.0) || wanted >= self.bounded(f64::INFINITY);
        let is_near = |wanted: f64, size: f64| (size / BAND..=size * BAND).contains(&wanted);
        if (is_bound && wanted != self.bytes)
            || !is_near(wanted, self.bytes)
            || !is_near(self.bytes / self.span_bytes, self.spans)
        {
            self.resize(wanted);
        }
    }

    pub(super) fn limits(&self) -> BatchLimits {
        // A batch is complete at the end of a chunk, and often has half a chunk more than it needs.
        let spans = ((self.spans * FILL) as usize).clamp(1, self.config.max_spans);
        BatchLimits { spans, bytes: self.bytes as usize }
    }

    fn resize(&mut self, bytes: f64) {
        self.bytes = bytes;
        self.spans = bytes / self.span_bytes;
    }

    fn ended(&mut self, now: Instant, request: &RequestObservation) {
        // A latency with waits for a receiver that was away has nothing to do with the size.
        let is_usual = request.is_accepted && !request.is_retried;
        self.latency.observe(now, is_usual.then_some(request.bytes), request.latency);
        if request.is_accepted {
            self.ceiling *= RISE;
            if request.spans > 0 {
                let span_bytes = (request.bytes as f64 / request.spans as f64).max(1.0);
                self.span_bytes += (span_bytes - self.span_bytes) / SPAN_MEMORY;
            }
        } else {
            // Requests in flight together fail together: their size counts, not their number.
            let half = (request.bytes as f64 / 2.0).max(self.config.min_bytes as f64);
            self.ceiling = self.ceiling.min(half);
        }
    }

    /// The size that costs least, but not less than the receiver needs to keep up.
    fn target(&mut self, rate: f64, backlog: u64) -> f64 {
        let latency = self.latency.split();
        // Batches that wait already are to be sent soon, beside what arrives.
        let excess = (backlog as f64 - 2.0 * self.bytes).max(0.0);
        if excess > 0.0 && !self.latency.has_slope() {
            // Larger requests drain the backlog, or show that the receiver takes its time for each byte.
            return 2.0 * self.bytes;
        }
        let rate = rate + excess / DRAIN;
        // Each second, `rate / size` requests cost `request_cost` each, and `rate` bytes wait for half
        // of a batch and for the transport of their request.
        let cost = self.config.request_cost as f64;
        let cheapest = (2.0 * cost * rate / (1.0 + 2.0 * latency.per_byte * rate)).sqrt();
        let cheapest = self.within_delay(cheapest, rate);
        let demand = HEADROOM * rate;
        let free = 1.0 - latency.per_byte * demand;
        let needed = if free > 0.0 { latency.fixed * demand / free } else { f64::INFINITY };
        // A receiver that cannot keep up gains nothing from still larger requests.
        let efficient = AMORTIZED * latency.fixed / latency.per_byte;
        cheapest.max(needed.min(efficient))
    }

    /// The nearest size, in cost, that fits the delay.
    ///
    /// The delay sends what remains, beside the size: of sizes that need the same number of requests within the
    /// delay, the smallest makes the youngest spans. With a single request the size leaves it to the delay.
    fn within_delay(&mut self, cheapest: f64, rate: f64) -> f64 {
        let delayed = rate * self.config.scheduled_delay.as_secs_f64();
        let part = cheapest / delayed;
        // Between both, the number stays: near the size at which two numbers cost the same, noise would
        // choose one and then the other.
        let (least, most) = (cheapest_requests(part * STAYS), cheapest_requests(part / CHANGES));
        self.requests = self.requests.clamp(least, most);
        match self.requests {
            1 => cheapest.max(2.0 * delayed),
            requests if requests <= FEW => delayed / (f64::from(requests) * FILL),
            _ => cheapest,
        }
    }

    /// `bytes` within the bounds.
    fn bounded(&self, bytes: f64) -> f64 {
        let (min, max) = (self.config.min_bytes as f64, self.config.max_bytes as f64);
        bytes.min(self.ceiling).clamp(min, max)
    }
}

/// The number of requests within a delay that costs least, at most `FEW + 1`; `part`: the size without a delay over
/// what arrives during one. `n` requests cost as much as `n + 1` where `n * (n + 1)` is its inverse square.
fn cheapest_requests(part: f64) -> u32 {
    (1..=FEW).find(|&n| f64::from(n * (n + 1)) * part * part >= 1.0).unwrap_or(FEW + 1)
}

/// The size before anything is known, in bytes.
const START: f64 = 131_072.0;
/// Bytes of a span before anything is known.
const START_SPAN: f64 = 256.0;
/// Requests after which the bytes of a span count for a third.
const SPAN_MEMORY: f64 = 16.0;
/// The part of a batch's spans at which it is complete.
const FILL: f64 = 7.0 / 8.0;
/// The factor that a size has to change by, up or down.
const BAND: f64 = 1.3;
/// The growth of the ceiling with each request that is accepted.
const RISE: f64 = 1.25;
/// The throughput that a size should allow, over the rate of arrivals.
const HEADROOM: f64 = 1.25;
/// The size at which the part of a latency for each byte is this many times the fixed part.
const AMORTIZED: f64 = 4.0;
/// The factors by which a size may fall below the one at which fewer requests begin to be cheaper before they
/// become more, and by which it has to exceed that before they become fewer.
const STAYS: f64 = 1.01;
const CHANGES: f64 = 1.075;
/// The number of requests within a delay up to which their sizes are made equal.
const FEW: u32 = 4;
const SHORTEST_DELAY: Duration = Duration::from_millis(1);
/// The number of batches after which arrivals are counted early.
const MANY: f64 = 8.0;
/// Seconds for batches that wait.
const DRAIN: f64 = 0.25;

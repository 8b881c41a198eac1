//! The size of a batch: fixed, or determined from the backlog and the requests before.

mod adaptive;
mod arrival_rate;
mod dynamic;
mod latency;
mod observation;

pub use adaptive::AdaptiveBatchSize;
pub use observation::{BatchLimits, BatchObservation, RequestObservation};

use adaptive::Adaptive;
use dynamic::Dynamic;
use std::time::{Duration, Instant};

/// The algorithm that determines the size of batches: the setting of a [`BatchSizer`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum BatchSize {
    /// The same limits for each batch, each 1 or more. A [`BatchSizer`] takes 0 as 1; an exporter's builder
    /// rejects it.
    Fixed(BatchLimits),
    /// Doubles and halves with the length of the queue, in spans: starts at 512; every 30 s, a backlog above
    /// 2,000 spans doubles the size, up to 2,048, and one below 100 halves it, down to 128.
    ///
    /// This is the `DynamicBatchProcessor` of the guide that Spanwise implements (the source document, §4.1).
    /// Its queue and its delay are settings of the exporter:
    /// [`DYNAMIC_QUEUE_SIZE`](Self::DYNAMIC_QUEUE_SIZE) and [`DYNAMIC_DELAY`](Self::DYNAMIC_DELAY).
    #[doc(alias = "DynamicBatchProcessor")]
    Dynamic,
    /// Follows the rate of arrivals, the backlog and the latency of requests, in bytes.
    Adaptive(AdaptiveBatchSize),
}

impl BatchSize {
    /// The queue size for [`Dynamic`](Self::Dynamic), `maxQueueSize`, in spans: 4,096.
    pub const DYNAMIC_QUEUE_SIZE: usize = 4096;
    /// The delay for [`Dynamic`](Self::Dynamic), `scheduledDelayMillis`: 5 s.
    pub const DYNAMIC_DELAY: Duration = Duration::from_secs(5);
}

/// Determines the size of the next batch. It has no clock: its caller passes in the time and what it
/// observed.
///
/// ```
/// use spanwise_batch::{AdaptiveBatchSize, BatchObservation, BatchSize, BatchSizer, RequestObservation};
/// use std::time::{Duration, Instant};
///
/// let mut now = Instant::now();
/// let mut sizer = BatchSizer::new(BatchSize::Adaptive(AdaptiveBatchSize::default()), now);
/// // 2 MiB arrive each second.
/// for _ in 0..100 {
///     now += Duration::from_millis(125);
///     let latency = Duration::from_millis(2);
///     let request = RequestObservation { spans: 1_000, bytes: 256 << 10, latency, is_accepted: true, is_retried: false };
///     sizer.observe(now, &BatchObservation { request: Some(request), ..BatchObservation::default() });
/// }
/// let busy = sizer.limits().bytes;
/// // Then 2 KiB.
/// for _ in 0..100 {
///     now += Duration::from_secs(1);
///     let latency = Duration::from_millis(2);
///     let request = RequestObservation { spans: 8, bytes: 2 << 10, latency, is_accepted: true, is_retried: false };
///     sizer.observe(now, &BatchObservation { request: Some(request), ..BatchObservation::default() });
/// }
/// assert!(sizer.limits().bytes < busy);
/// ```
///
/// # Cost
/// An observation takes some tens of floating-point operations, and no memory. Meant for each turn of a
/// worker and each end of a request, not for each span.
#[derive(Debug, Clone)]
pub struct BatchSizer {
    setting: BatchSize,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Fixed(BatchLimits),
    Dynamic(Dynamic),
    Adaptive(Box<Adaptive>),
}

impl BatchSizer {
    /// Starts with no observation at `now`.
    pub fn new(setting: BatchSize, now: Instant) -> Self {
        let state = match setting {
            BatchSize::Fixed(limits) => State::Fixed(limits.at_least_one()),
            BatchSize::Dynamic => State::Dynamic(Dynamic::new(now)),
            BatchSize::Adaptive(config) => State::Adaptive(Box::new(Adaptive::new(config, now))),
        };
        Self { setting, state }
    }

    /// Takes what the caller observed at `now`: once a turn, and once for each request that ended.
    ///
    /// A time before that of the last observation counts as that.
    pub fn observe(&mut self, now: Instant, observation: &BatchObservation) {
        match &mut self.state {
            State::Fixed(_) => {}
            State::Dynamic(dynamic) => dynamic.observe(now, observation),
            State::Adaptive(adaptive) => adaptive.observe(now, observation),
        }
    }

    /// The limits of the next batch: it is complete with this number of spans or of bytes. Both are at least 1.
    ///
    /// An adaptive size may be exceeded by less than a chunk, so that chunks are sent whole; no request
    /// exceeds the others.
    pub fn limits(&self) -> BatchLimits {
        match &self.state {
            State::Fixed(limits) => *limits,
            State::Dynamic(dynamic) => dynamic.limits(),
            State::Adaptive(adaptive) => adaptive.limits(),
        }
    }

    /// The setting in use.
    pub fn setting(&self) -> BatchSize {
        self.setting
    }

    /// Changes the setting. An adaptive size that stays adaptive retains its measurements; any other
    /// change starts anew.
    pub fn set(&mut self, setting: BatchSize, now: Instant) {
        if let (State::Adaptive(adaptive), BatchSize::Adaptive(config)) = (&mut self.state, setting)
        {
            adaptive.configure(config);
            self.setting = setting;
        } else if setting != self.setting {
            *self = Self::new(setting, now);
        }
    }
}

//! The thread that owns a shard.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use super::contained::Contained;
use super::memory::Charge;
use super::shared::{Shared, Status};
use crate::engine::{DividedRequest, OwnedShard, SpanPlace, TailOutput};

/// The spans of one request that belong to one shard.
pub(crate) struct ShardSpans {
    pub(crate) request: Arc<QueuedRequest>,
    pub(crate) spans: Vec<SpanPlace>,
}

/// A request that waits for one or more shards.
pub(crate) struct QueuedRequest {
    pub(crate) request: DividedRequest,
    /// Freed behind the bytes.
    pub(crate) _charge: Charge,
}

/// Takes the spans of a shard and decides its traces in time.
pub(crate) struct Owner<O: TailOutput, C> {
    shard: OwnedShard,
    output: Contained<O>,
    shared: Arc<Shared>,
    index: usize,
    clock: C,
    max_tick_delay: Duration,
}

impl<O: TailOutput, C: FnMut() -> Instant> Owner<O, C> {
    pub(crate) fn new(
        shard: OwnedShard,
        output: O,
        (shared, index): (Arc<Shared>, usize),
        clock: C,
    ) -> Self {
        let output = Contained::new(output, Arc::clone(&shared));
        Self { shard, output, shared, index, clock, max_tick_delay: Duration::ZERO }
    }

    /// Runs until the queue is closed and empty, and decides the rest.
    pub(crate) fn run(mut self, queue: &Receiver<ShardSpans>) {
        self.shared.set_owner();
        loop {
            let now = (self.clock)();
            let wait = self.shard.next_tick().map(|at| at.saturating_duration_since(now));
            let spans = match wait {
                // Before the next request, however many wait.
                Some(Duration::ZERO) => Err(RecvTimeoutError::Timeout),
                // While no request waits, the spans of a long trace leave.
                _ if self.shard.has_long_traces() => {
                    queue.try_recv().map_err(|error| match error {
                        TryRecvError::Empty => RecvTimeoutError::Timeout,
                        TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                    })
                }
                Some(wait) => queue.recv_timeout(wait),
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match spans {
                Ok(spans) => self.take(&spans),
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.decide_all();
    }

    /// Takes the spans of a request, and decides the traces that are due between its portions; waits while the shard is full and blocks.
    fn take(&mut self, spans: &ShardSpans) {
        let ShardSpans { request, spans } = spans;
        let mut position = 0;
        while position < spans.len() {
            if self.shared.discards.load(Relaxed) {
                self.shard.shard.discard((spans.len() - position) as u64);
                return self.publish();
            }
            let now = self.begin();
            let list = (&request.request, &spans[..]);
            let is_taken = self.shard.append(now, list, &mut position, &mut self.output);
            self.publish();
            if is_taken {
                continue;
            }
            if self.shared.is_closed() {
                self.decide_all();
                continue;
            }
            let tick = self.shard.next_tick().map(|at| at.saturating_duration_since(now));
            thread::sleep(tick.unwrap_or(MAX_SLEEP).min(MAX_SLEEP));
        }
    }

    fn tick(&mut self) {
        let now = self.begin();
        self.shard.tick(now, &mut self.output);
        let took = (self.clock)().saturating_duration_since(now);
        self.shard.shard.metrics_mut().record_tick(took);
        self.publish();
    }

    fn decide_all(&mut self) {
        let now = self.begin();
        self.shard.shutdown(now, &mut self.output, &self.shared.discards);
        self.publish();
    }

    /// Applies new settings, and returns the time.
    fn begin(&mut self) -> Instant {
        if let Some(update) = self.shared.take_update(self.index) {
            self.shard.shard.update(update);
        }
        let now = (self.clock)();
        if let Some(due) = self.shard.next_tick() {
            self.max_tick_delay = self.max_tick_delay.max(now.saturating_duration_since(due));
        }
        now
    }

    fn publish(&self) {
        let shard = &self.shard.shard;
        let status = Status {
            counts: shard.counts(),
            memory_bytes: shard.memory_bytes(),
            is_stressed: shard.is_stressed(),
            max_tick_delay: self.max_tick_delay,
        };
        self.shared.publish(self.index, status, shard);
    }
}

/// The longest sleep of a shard that is full: a shutdown ends it.
const MAX_SLEEP: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        CommonSettings, DecidedTrace, DividedSpans, Framing, SampledRequest, TailSamplingConfig,
    };
    use crate::policy::{Policy, PolicyKind};
    use crate::threads::memory::QueueMemory;

    /// Spans of the shard that were received when each trace was decided.
    #[derive(Clone)]
    struct Order(std::sync::mpsc::Sender<u64>);

    impl TailOutput for Order {
        fn request(&mut self, _: SampledRequest<'_>) {}

        fn decided(&mut self, trace: &DecidedTrace<'_>) {
            self.0.send(trace.spans).unwrap();
        }
    }

    fn request(trace: u8, spans: usize) -> Vec<u8> {
        let span = [&[0x12, 18, 0x0a, 16][..], &[trace; 16]].concat();
        let message = |bytes: Vec<u8>, key: u8| {
            let mut out = vec![key];
            spanwise_wire::write::put_varint(&mut out, bytes.len() as u64);
            out.extend(bytes);
            out
        };
        message(message(span.repeat(spans), 0x12), 0x0a)
    }

    #[test]
    fn a_large_request_delays_no_decision_by_more_than_a_portion() {
        let wait = Duration::from_millis(100);
        let config = TailSamplingConfig::default()
            .with_decision_wait(wait)
            .with_policy(Policy::new("all", PolicyKind::AlwaysSample));
        let (_, mut shards) = CommonSettings::new(&config).unwrap();
        let (decisions, decided) = std::sync::mpsc::channel();
        let start = Instant::now();
        let memory = QueueMemory::new(1 << 20);
        let shared =
            Shared::new(Arc::clone(&memory), [(Status::default(), Vec::new())].into_iter());
        let shard = OwnedShard::new(shards.remove(0), start);
        // Each look at the time is 10 ms behind the one before: a portion takes that long.
        let mut now = start;
        let clock = move || {
            now += Duration::from_millis(10);
            now
        };
        let shared = Arc::new(shared);
        let mut owner = Owner::new(shard, Order(decisions), (Arc::clone(&shared), 0), clock);
        let mut take = |trace, count| {
            let bytes = request(trace, count);
            let framing = Framing::check(&bytes).unwrap();
            let (request, mut lists) =
                DividedSpans::new(&bytes, &framing, 1).of_request(bytes.clone());
            let _charge = memory.try_charge(1).unwrap();
            let spans = lists.remove(0);
            owner
                .take(&ShardSpans { request: Arc::new(QueuedRequest { request, _charge }), spans });
        };
        take(1, 1);
        // 30 portions, 300 ms: the first trace is due in the middle of them, and so is this one.
        take(2, 30 * 1_024);
        let status = shared.each_status().next().unwrap();
        assert!(status.counts.is_balanced(), "{:?}", status.counts);
        assert_eq!(decided.try_recv(), Ok(1));
        let spans = decided.try_recv().unwrap();
        assert!((9 * 1_024..=16 * 1_024).contains(&spans), "{spans}");
        assert!(status.max_tick_delay <= Duration::from_millis(10), "{:?}", status.max_tick_delay);
        // Ticks find what is left: the spans of the long trace leave in portions.
        for _ in 0..100 {
            owner.tick();
        }
        let counts = shared.each_status().next().unwrap().counts;
        assert_eq!((counts.sampled_spans, counts.pending_spans), (1 + 30 * 1_024, 0));
    }
}

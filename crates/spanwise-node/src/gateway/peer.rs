//! A peer: its queue, the tasks that send to it, and whether it answers.

pub(crate) mod queue;
pub(crate) mod sender;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use spanwise_ledger::DropReason;
use spanwise_metrics::{HistogramPoint, HistogramRecorder};
use spanwise_transport::{Delivery, Failure, FramedRequest, Outcome, Transport};
use tokio::sync::watch;

use queue::{Batch, Queue};

use crate::attempts::Attempts;
use crate::rejection::{Rejection, Rejections};

/// A peer of the gateway.
pub(crate) struct Peer {
    name: String,
    queue: Queue,
    transport: Transport,
    /// Shared with the observer of attempts.
    attempts: Arc<Attempts>,
    counts: PeerCounts,
    /// The time of requests in milliseconds.
    latency: Option<HistogramRecorder>,
    answers: Mutex<Answers>,
    phase: watch::Sender<Phase>,
    /// The time for which a batch is sent again as it is, while the peer answers others.
    patience: Duration,
}

/// The work of the senders of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    Serving,
    /// The peer left: requests in flight end, and none begins.
    Left,
    /// The deadline of a shutdown has passed.
    Stopped,
}

/// The answers of a peer to all its senders.
#[derive(Default)]
struct Answers {
    last: Option<Instant>,
    /// The last request that was accepted.
    accepted: Option<Instant>,
    rejections: Rejections,
    /// The first failure since the last answer, and its cause.
    silence: Option<Silence>,
}

/// A time without an answer.
struct Silence {
    since: Instant,
    cause: String,
}

/// Spans and requests of a peer so far. Spans: `routed = sent + dropped + rerouted + waiting or in flight`.
#[derive(Debug, Default)]
pub(crate) struct PeerCounts {
    pub(crate) routed: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) dropped: AtomicU64,
    /// Spans that were taken from it, because it left or does not answer.
    pub(crate) rerouted: AtomicU64,
    pub(crate) succeeded_requests: AtomicU64,
    pub(crate) failed_requests: AtomicU64,
}

impl PeerCounts {
    pub(crate) fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Relaxed);
    }
}

/// The owner of the peers.
pub(crate) trait PeerOwner: Send + Sync {
    /// Takes a batch back that the peer does not get any more.
    fn take_back(&self, batch: Batch);

    /// An attempt had no answer at `now`, as all of the last `silence`.
    fn unanswered(&self, peer: &Peer, silence: Duration);

    /// A batch has its outcome.
    fn ended(&self);
}

impl Peer {
    /// A peer, for which [`sender::start`] has yet to start its senders.
    pub(crate) fn new(
        name: String,
        transport: Transport,
        max_bytes: usize,
        patience: Duration,
    ) -> Self {
        let attempts: Arc<Attempts> = Arc::default();
        let observed = Arc::clone(&attempts);
        let transport =
            transport.with_attempt_observer(move |failed| observed.failed(&failed.cause));
        let latency = HistogramRecorder::builder().with_bounds(LATENCY_BOUNDS).with_shards(2);
        Self {
            name,
            queue: Queue::new(max_bytes),
            transport,
            attempts,
            counts: PeerCounts::default(),
            latency: latency.build().ok(),
            answers: Mutex::default(),
            phase: watch::Sender::new(Phase::Serving),
            patience,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn counts(&self) -> &PeerCounts {
        &self.counts
    }

    pub(crate) fn latency(&self) -> Option<HistogramPoint> {
        self.latency.as_ref().map(HistogramRecorder::point)
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// Adds a batch to the queue.
    ///
    /// # Errors
    /// The batch, if the peer has left.
    pub(crate) fn push(&self, batch: Batch) -> Result<(), Batch> {
        // Before the batch may end.
        PeerCounts::add(&self.counts.routed, batch.spans());
        let spans = batch.spans();
        self.queue.push(batch).inspect_err(|_| {
            self.counts.routed.fetch_sub(spans, Relaxed);
        })
    }

    /// The peer leaves: its requests in flight end, and those that wait are returned.
    pub(crate) fn leave(&self) -> Vec<Batch> {
        self.phase.send_if_modified(|phase| {
            let is_new = *phase < Phase::Left;
            if is_new {
                *phase = Phase::Left;
            }
            is_new
        });
        let waiting: Vec<Batch> = self.queue.close().into();
        let spans = waiting.iter().map(Batch::spans).sum();
        PeerCounts::add(&self.counts.rerouted, spans);
        waiting
    }

    /// Ends all requests at once; those that wait are dropped. For the deadline of a shutdown.
    pub(crate) fn stop(&self) {
        self.phase.send_replace(Phase::Stopped);
        for batch in self.queue.close() {
            self.dropped(batch, DropReason::ShutdownDeadline);
        }
    }

    /// Whether the peer accepts a request without spans.
    pub(crate) async fn probe(&self) -> bool {
        self.transport.send(FramedRequest::from(Vec::new())).await.is_accepted()
    }

    /// The cause of the silence, while no request has an answer, or that of attempts that fail before one has ended.
    pub(crate) fn problem(&self) -> Option<String> {
        let of_requests = self.answers().silence.as_ref().map(|silence| silence.cause.clone());
        of_requests.or_else(|| self.attempts.failing())
    }

    /// Whether any request has had an answer since then.
    fn has_answered_since(&self, instant: Instant) -> bool {
        self.answers().last.is_some_and(|last| last > instant)
    }

    /// Whether it has accepted a request since then.
    fn has_accepted_since(&self, instant: Instant) -> bool {
        self.answers().accepted.is_some_and(|accepted| accepted > instant)
    }

    /// The rejections for which a batch that is refused because of some spans is divided to find them.
    fn divisions(&self) -> u32 {
        self.answers().rejections.divisions(Instant::now())
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request that began at `begun` has ended. Returns how long no request has had an answer.
    fn note(&self, delivery: &Delivery, begun: Instant) -> Option<Duration> {
        let counter = if delivery.is_accepted() {
            &self.counts.succeeded_requests
        } else {
            &self.counts.failed_requests
        };
        PeerCounts::add(counter, 1);
        self.attempts.ended();
        let elapsed = begun.elapsed();
        if let Some(latency) = &self.latency {
            latency.record(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        }
        let mut answers = self.answers();
        // The attempt before the one that the deadline cut off may have had one.
        let is_answered =
            matches!(delivery.outcome, Outcome::Failed(Failure::RetryDeadline { last: Some(_) }));
        let rejection = Rejection::of(delivery);
        let is_answer = delivery.is_accepted() || delivery.status.is_some() || is_answered;
        if is_answer && rejection != Some(Rejection::Access) {
            let now = Some(Instant::now());
            (answers.last, answers.silence) = (now, None);
            if delivery.is_accepted() {
                answers.accepted = now;
                answers.rejections.end();
            } else if rejection == Some(Rejection::Content) {
                answers.rejections.add();
            }
            return None;
        }
        let cause = delivery.cause.clone();
        let silence = answers.silence.get_or_insert(Silence { since: begun, cause: String::new() });
        silence.cause = cause;
        Some(silence.since.elapsed())
    }

    fn dropped(&self, batch: Batch, reason: DropReason) {
        PeerCounts::add(&self.counts.dropped, batch.spans());
        batch.tickets.dropped(reason);
    }
}

/// The Collector's, in milliseconds.
const LATENCY_BOUNDS: [f64; 11] =
    [5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

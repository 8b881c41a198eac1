//! The export as a state machine without I/O: time and events in, actions out.

mod action;
mod backlog;
mod batch;
mod bodies;
mod book;
mod closing;
mod compose;
mod counts;
mod ended;
mod flow;
mod flushes;
mod held;
mod in_flight;
mod lane;
mod memory;
mod patience;
mod refused;
mod relief;
mod replace;
mod replies;
mod routes;
mod size_limit;
mod sizing;
mod spool;
mod spool_flow;
mod stage;
mod tail;
mod tail_flow;

pub use action::{Action, FlushId, Reply, RequestId};
pub(crate) use routes::{Copies, Routes};

use crate::drained::Drained;
use crate::hold_back::HoldCause;
use crate::metrics::ExportMetrics;
use crate::queue::{QueueAction, QueueLevel, SpanQueue};
use crate::scopes::ScopeTable;
use crate::settings::{Reserve, Settings};
use backlog::Backlog;
use compose::Composer;
use flushes::Flushes;
use held::Held;
use in_flight::InFlight;
use memory::Memory;
use refused::Refused;
use sizing::Sizing;
use spanwise_batch::{Charge, FlushSchedule, FlushScheduleConfig};
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spool::Spool;
use stage::{Drain, Stage};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tail::Tail;

/// Batches drained chunks into requests, and books the outcome of every span. It has no thread, no
/// socket and no clock: its caller passes in the time and what happened, and carries out the
/// [`Action`]s that [`poll`](Self::poll) returns.
///
/// `Drop` books the spans that the machine holds: those in requests as `exporter_panic`, since the receiver
/// may have them, the others as `worker_unavailable`.
pub struct ExportMachine {
    schedule: FlushSchedule,
    sizing: Sizing,
    /// The maximum queue size in spans.
    max_queue_size: Option<usize>,
    /// The sizes of a batch and of the queue that the queue was given last.
    sizes: Option<(Option<usize>, Option<usize>)>,
    reserve: Reserve,
    /// Memory of encoders that the budget was not divided for.
    encoders: Option<Charge>,
    /// Bytes of `encoders` that the present transport needs.
    encoder_bytes: usize,
    /// Bytes of spans in a chunk of the usual size.
    chunk_bytes: usize,
    /// The time of the last call that passed one.
    now: Instant,
    /// Between drains and `held`.
    tail: Option<Tail>,
    /// Between drains and the backlog.
    held: Held,
    composer: Composer,
    in_flight: InFlight,
    /// Of each lane.
    refused: Vec<Refused>,
    /// `None`: requests that the receiver does not accept are lost.
    spool: Option<Spool>,
    /// The deadline of the shutdown: until then, the spool stores what was not sent.
    store_until: Instant,
    /// Spans were lost at the end, although there is a spool.
    has_lost_rest: bool,
    flushes: Flushes,
    stage: Stage,
    /// Actions that follow from an event.
    outbox: VecDeque<Action>,
    /// The drain that an action requested and whose result is missing.
    draining: Option<Drain>,
    /// The time at which a request was accepted last, or the first one was sent after it.
    progress: Instant,
    /// Whether the last request that ended was accepted.
    is_flowing: bool,
    /// The next time to free memory for refused spans: later, if the last pass freed nothing.
    next_relief: Instant,
    /// A producer notified the exporter: many chunks are full, or a span was refused.
    is_notified: bool,
    /// No more can be sent before a request ends.
    is_blocked: bool,
    /// The time until which spans wait for an endpoint that is busy.
    waits_until: Option<Instant>,
    /// The backlog is due: a request that is less than a batch leaves, too.
    sends_all: bool,
    /// Drains of every slot in a row that found nothing.
    idle_drains: u32,
    /// Panics of the policy that holds chunks back.
    policy_panics: u64,
    awaiting: Option<Instant>,
    is_transport_closed: bool,
    /// The replies to shutdowns, which follow at the end.
    shutdowns: Vec<Reply>,
    metrics: ExportMetrics,
}

impl ExportMachine {
    pub(crate) fn new(
        settings: Settings,
        queue: &SpanQueue,
        scopes: ScopeTable,
        now: Instant,
    ) -> Self {
        let Settings {
            batch,
            hold_back,
            request_bytes,
            routes,
            lane_share,
            metrics,
            endpoints,
            ..
        } = settings;
        let (budget, copies) = (queue.budget().clone(), routes.copies());
        let limit = budget.limit();
        let memory = Memory::new(budget, request_bytes, batch.max_in_flight, copies)
            .with_metrics(metrics.clone());
        let chunk_bytes = queue.chunk_bytes();
        let backlog = Backlog::new(chunk_bytes);
        let tail = settings.tail.map(|tail| {
            let names = (settings.resource.clone(), scopes.clone());
            Tail::new(tail, queue, settings.reserve.flowing, names, now)
        });
        let mut machine = Self {
            schedule: FlushSchedule::new(FlushScheduleConfig::default(), now),
            sizing: Sizing::new(&batch, routes.lanes(), now),
            max_queue_size: batch.max_queue_size,
            sizes: None,
            reserve: settings.reserve,
            encoders: None,
            encoder_bytes: 0,
            chunk_bytes,
            now,
            tail,
            held: Held::new(hold_back, batch.hold_back, chunk_bytes),
            spool: settings.has_spool.then(|| Spool::new(limit / 4, now)),
            store_until: now,
            has_lost_rest: false,
            refused: (0..routes.lanes()).map(|_| Refused::default()).collect(),
            in_flight: InFlight::new(endpoints, lane_share, batch.max_in_flight),
            composer: Composer::new(backlog, memory, routes, settings.resource, scopes),
            flushes: Flushes::default(),
            stage: Stage::Drain,
            outbox: VecDeque::new(),
            draining: None,
            progress: now,
            is_flowing: true,
            next_relief: now,
            is_notified: false,
            is_blocked: false,
            waits_until: None,
            sends_all: false,
            idle_drains: 0,
            policy_panics: 0,
            awaiting: None,
            is_transport_closed: false,
            shutdowns: Vec::new(),
            metrics,
        };
        machine.apply(&batch);
        if !machine.sizing.is_dynamic() {
            // The queue was made with these sizes.
            machine.outbox.clear();
        }
        machine
    }

    /// Returns the next action at `now`, with the queue at `level`.
    ///
    /// A turn is a sequence of calls that ends with [`Action::WaitUntil`].
    pub fn poll(&mut self, now: Instant, level: QueueLevel) -> Action {
        self.now = now;
        loop {
            if let Some(action) = self.outbox.pop_front() {
                return action;
            }
            if let Some(action) = self.step(now, level) {
                return action;
            }
        }
    }

    /// Takes the result of a drain that an action requested.
    pub fn drained(&mut self, drained: Drained) {
        let Drained { mut chunks, missed } = drained;
        // From here on, every destination's ledger counts the spans.
        chunks.iter_mut().for_each(|chunk| chunk.share_with(self.composer.routes.other_ledgers()));
        let (is_empty, now) = (chunks.is_empty(), self.now);
        let drain = self.draining.take();
        let cause = match drain {
            Some(Drain::ForMemory) => HoldCause::Pressure,
            Some(Drain::Rest(_)) => HoldCause::Flush,
            _ if self.flushes.need_drain() => HoldCause::Flush,
            _ => HoldCause::Drained,
        };
        if cause == HoldCause::Flush {
            // A flush waits for the chunks that are in the backlog, so no other may have its spans.
            let held = self.held.release_all(now);
            self.composer.backlog.extend(held);
        }
        chunks = self.accept_in_tail(chunks, drain, missed);
        let chunks = chunks.into_iter().filter_map(|chunk| self.held.accept(chunk, now, cause));
        self.composer.backlog.extend(chunks.collect());
        match drain {
            Some(Drain::All(at)) => {
                self.sends_all = true;
                if missed > 0 {
                    self.schedule.drained_some(at);
                } else {
                    self.schedule.drained_all(at);
                    self.flushes.drained(self.composer.backlog.entered());
                }
                self.idle_drains = if is_empty { self.idle_drains.saturating_add(1) } else { 0 };
                if self.idle_drains > 1 {
                    self.composer.memory.trim();
                    self.tail.iter_mut().for_each(Tail::trim);
                    self.outbox.push_back(trim(RETAIN_IDLE_CHUNKS));
                }
            }
            Some(Drain::Rest(tries)) if missed > 0 && tries < LAST_DRAINS => {
                self.stage = Stage::DrainRest(tries + 1);
            }
            Some(Drain::ForMemory) => self.sends_all = true,
            Some(Drain::Full | Drain::Roots | Drain::Batch(_) | Drain::Rest(_)) | None => {}
        }
    }

    /// Requests a reply once all spans that ended before now have their outcome, or at `deadline`.
    pub fn flush(&mut self, deadline: Instant) -> FlushId {
        self.flushes.insert(deadline, false)
    }

    /// Requests the shutdown: a [`flush`](Self::flush), after which the machine books all remaining
    /// spans as lost. The caller closes the queue before.
    pub fn shutdown(&mut self, deadline: Instant) -> FlushId {
        self.store_until = deadline;
        self.flushes.insert(self.send_until(deadline), true)
    }

    /// A producer notified the exporter.
    pub fn notified(&mut self) {
        self.is_notified = true;
    }

    /// A turn was not completed because of a panic: the next call begins a new one.
    pub fn abort_turn(&mut self) {
        self.draining = None;
        if !self.stage.is_closing() {
            self.stage = Stage::Drain;
        }
    }

    /// Whether the shutdown has begun to book the remaining spans.
    pub fn is_closing(&self) -> bool {
        self.stage.is_closing()
    }

    /// Takes one step of a turn. `None`: the next step follows.
    fn step(&mut self, now: Instant, level: QueueLevel) -> Option<Action> {
        let (next, action) = match self.stage {
            Stage::Drain => (Stage::Release, self.drain(now, level)),
            Stage::Release => {
                self.release_held(now, level);
                (Stage::Send, None)
            }
            Stage::Send => match self.send(now, level) {
                Some(action) => return Some(action),
                None => (Stage::Relieve, None),
            },
            Stage::Relieve => self.relieve(now, level),
            Stage::RelieveDrain(relief) => {
                let is_empty = level.ready == 0 && self.composer.backlog.is_empty();
                if is_empty && self.in_flight.is_empty() {
                    // No request will end and free memory: only that of the caches is left.
                    self.composer.memory.trim();
                    self.outbox.push_back(trim(0));
                }
                let drain =
                    (relief.is_stalled || is_empty).then(|| self.request_drain(Drain::ForMemory));
                (Stage::RelieveSend(relief), drain)
            }
            Stage::RelieveSend(relief) => {
                if self.is_blocked {
                    if relief.is_stalled {
                        self.composer.backlog.compact();
                    }
                } else if let Some(action) = self.send(now, level) {
                    return Some(action);
                }
                (Stage::RelieveEnd(relief), None)
            }
            Stage::RelieveEnd(relief) => {
                let charged = self.composer.memory.budget().charged();
                if charged >= relief.charged && level.queued >= relief.queued {
                    self.next_relief = now + RELIEF_AGAIN_AFTER;
                }
                (Stage::Report, accept_again(level))
            }
            Stage::Report => (Stage::Reply, self.report()),
            Stage::Reply => match self.reply(now) {
                Some(action) => return Some(action),
                None if !self.shutdowns.is_empty() => (Stage::Cancel, None),
                None => (Stage::Wait, None),
            },
            Stage::Wait => (Stage::Drain, Some(Action::WaitUntil(self.wait_until(now, level)))),
            _ => return self.close(now, level),
        };
        self.stage = next;
        action
    }
}

/// Makes a queue that refuses spans accept them again, if there is space.
fn accept_again(level: QueueLevel) -> Option<Action> {
    #[cfg(feature = "planted-bugs")]
    if planted(Bug::RefusalNeverEnds) {
        return None;
    }
    let is_due = level.is_refusing && level.can_accept;
    is_due.then_some(Action::Queue(QueueAction::AcceptSpans))
}

fn trim(retain: usize) -> Action {
    Action::Queue(QueueAction::Trim { retain })
}

/// The wait before a slot is drained again that a thread was writing to.
const RETRY_DRAIN: Duration = Duration::from_millis(1);
/// Chunks cached for reuse while a process makes no spans.
const RETAIN_IDLE_CHUNKS: usize = 4;
/// The wait after a pass that freed no memory.
const RELIEF_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// The time without an accepted request after which spans may use memory reserved for requests.
const STALLED_AFTER: Duration = Duration::from_millis(500);
/// The time for cancelled requests to report their outcome.
const CANCELLED_WITHIN: Duration = Duration::from_millis(10);
/// Tries to drain every slot at the end.
const LAST_DRAINS: u32 = 1000;

//! The exporter's thread: it owns the state machine, the transport and the clock.

mod fenced;
mod sending;
mod spooling;
mod transports;

use crate::batch_config::BatchConfig;
use crate::dynamic_batch_config::DynamicBatchConfig;
use crate::dynamic_transport::DynamicTransport;
use crate::event::ExportEvent;
use crate::inbox::{Command, CommandKind, InboxGuard};
use crate::machine::{Action, ExportMachine, FlushId, Reply};
use crate::metrics::ExportMetrics;
use crate::observer::Observer;
use crate::queue::{QueueAction, SpanQueue};
use crate::scopes::ScopeTable;
use crate::spool::RequestSpool;
use fenced::FencedObserver;
use sending::Sending;
use spanwise_transport::Transport;
use spanwise_worker::{CaughtPanic, Notified, Wakeup, catch_panic, oneshot::Sender};
use spooling::Spooling;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use transports::Transports;

/// The queue, which may be a part of the caller's shared state.
pub(crate) type SharedQueue = Arc<dyn AsRef<SpanQueue> + Send + Sync>;

/// Carries out the actions of an [`ExportMachine`].
pub(crate) struct ExportThread {
    pub(crate) queue: SharedQueue,
    pub(crate) scopes: ScopeTable,
    pub(crate) inbox: InboxGuard,
    /// `None` at the end: it may hold a policy of the user's, whose drop may panic.
    machine: Option<ExportMachine>,
    transports: Transports,
    observer: FencedObserver,
    batching: DynamicBatchConfig,
    /// The settings that the machine has.
    applied: Arc<BatchConfig>,
    sending: Sending,
    spooling: Spooling,
    waiting: HashMap<FlushId, Sender<bool>>,
    /// Sent at the end of a turn, after what was lost has been reported.
    replies: Vec<Reply>,
    is_started: bool,
    /// The deadline of the shutdown, once there is one.
    shutdown_until: Instant,
    /// The shutdown is complete: every span has its outcome.
    is_finished: bool,
    #[cfg(test)]
    turns_to_fail: u32,
}

/// The end of a turn.
enum Turn {
    WaitUntil(Instant),
    Finish,
}

impl ExportThread {
    pub(crate) fn new(
        queue: SharedQueue,
        scopes: ScopeTable,
        inbox: InboxGuard,
        (machine, transports): (ExportMachine, Vec<Transport>),
        observer: Box<dyn Observer>,
    ) -> Self {
        let batching = DynamicBatchConfig::default();
        Self {
            queue,
            scopes,
            inbox,
            machine: Some(machine),
            transports: Transports::new(transports),
            observer: FencedObserver::new(observer),
            applied: batching.load(),
            batching,
            sending: Sending::new(),
            spooling: Spooling::new(None),
            waiting: HashMap::new(),
            replies: Vec::new(),
            is_started: false,
            shutdown_until: Instant::now(),
            is_finished: false,
            #[cfg(test)]
            turns_to_fail: 0,
        }
    }

    /// Applies the settings of `batching`, which the machine was built with, whenever they change.
    pub(crate) fn with_batching(mut self, batching: DynamicBatchConfig) -> Self {
        (self.applied, self.batching) = (batching.load(), batching);
        self
    }

    /// Records the times that requests take.
    pub(crate) fn with_metrics(mut self, metrics: ExportMetrics) -> Self {
        self.sending.set_metrics(metrics);
        self
    }

    /// Replaces the transport of the first destination by each that `transport` gets.
    pub(crate) fn with_transport(mut self, transport: DynamicTransport) -> Self {
        self.transports.follow(transport);
        self
    }

    /// Stores requests in this spool, which the machine knows of.
    pub(crate) fn with_spool(mut self, spool: Option<Box<dyn RequestSpool>>) -> Self {
        self.spooling = Spooling::new(spool);
        self
    }

    /// Runs until a shutdown is complete. `Drop` frees memory, and books the spans that are left.
    pub(crate) async fn run(mut self, mut notified: Notified) {
        self.is_started = true;
        let panic = self.spooling.set_notifier(notified.notifier());
        self.report_panic(panic);
        let mut failed_in_a_row = 0;
        while failed_in_a_row < MAX_FAILED_TURNS {
            let until = match catch_panic(|| self.turn(Instant::now())) {
                Ok(Turn::WaitUntil(until)) => {
                    failed_in_a_row = 0;
                    until
                }
                Ok(Turn::Finish) => return self.finish(&mut notified).await,
                Err(panic) => {
                    failed_in_a_row += 1;
                    self.observer.panicked("the export loop", panic);
                    self.machine.iter_mut().for_each(ExportMachine::abort_turn);
                    Instant::now()
                }
            };
            if self.wait(&mut notified, until).await {
                self.machine.iter_mut().for_each(ExportMachine::notified);
            }
        }
    }

    /// Passes events to the machine and carries out its actions, until it waits.
    fn turn(&mut self, now: Instant) -> Turn {
        #[cfg(test)]
        self.fail_on_purpose();
        let queue = self.queue.clone();
        let queue = (*queue).as_ref();
        let Some(machine) = &mut self.machine else { return Turn::Finish };
        if let Some(config) = self.batching.changed(&self.applied) {
            // `DynamicBatchConfig` has checked it.
            let _accepted = machine.set_batch_config(&config);
            self.applied = config;
        }
        for Command { kind, deadline, done } in self.inbox.0.take() {
            let id = match kind {
                CommandKind::Flush => machine.flush(deadline),
                CommandKind::Shutdown => {
                    self.shutdown_until = deadline;
                    machine.shutdown(deadline)
                }
            };
            self.waiting.insert(id, done);
        }
        // A request that has ended frees memory for the next one.
        while let Some((id, delivery)) = self.sending.try_next() {
            machine.request_ended(now, id, delivery);
        }
        if let Some(panic) = self.spooling.pass_events(machine, now) {
            self.observer.panicked(SPOOL, panic);
        }
        self.transports.take_next(machine, now);
        let mut events = Vec::new();
        // Between two requests, the turn drains and frames the second one.
        let mut since = Instant::now();
        let mut last_drains = 0;
        let mut turn = loop {
            match machine.poll(now, queue.level()) {
                Action::Queue(action) => {
                    if let Some(drained) = queue.apply(action) {
                        if drained.missed > 0 && machine.is_closing() {
                            wait_for_slots(last_drains);
                            last_drains += 1;
                        }
                        self.observer.drained(&drained.chunks, now);
                        machine.drained(drained);
                    }
                }
                Action::Send(id, request) => {
                    let prepared_in = since.elapsed();
                    match self.transports.get(id) {
                        Some(transport) => {
                            self.sending.start(transport, (id, prepared_in), request);
                        }
                        None => machine.request_ended(now, id, None),
                    }
                    since = Instant::now();
                }
                Action::Spool(command) => {
                    if let Some(panic) = self.spooling.submit(command) {
                        self.observer.panicked(SPOOL, panic);
                    }
                }
                Action::CancelRequests => self.sending.cancel(),
                Action::Reply(reply) => self.replies.push(reply),
                Action::Report(event) => events.push(event),
                Action::WaitUntil(until) => break Turn::WaitUntil(until),
                Action::Finish => break Turn::Finish,
            }
        };
        self.transports.retain_needed(machine);
        for panic in self.transports.drop_unneeded() {
            self.observer.panicked("the sink's drop", panic);
        }
        events.into_iter().for_each(|event| self.observer.report(event));
        if let Turn::WaitUntil(until) = &mut turn {
            let due = self.observer.turn(now);
            // An observer that is always due must not keep the thread busy.
            *until = due.map_or(*until, |due| due.max(now + MIN_WAIT).min(*until));
            self.reply();
        }
        turn
    }

    fn report_panic(&mut self, panic: Option<CaughtPanic>) {
        if let Some(panic) = panic {
            self.observer.panicked(SPOOL, panic);
        }
    }

    fn reply(&mut self) {
        for reply in self.replies.drain(..) {
            if let Some(done) = self.waiting.remove(&reply.id) {
                done.send(reply.is_done);
            }
        }
    }

    /// Every span has its outcome: ends the observer's work, and answers the shutdown.
    async fn finish(mut self, notified: &mut Notified) {
        self.is_finished = true;
        self.sending.abort();
        if let Some(machine) = &mut self.machine {
            self.spooling.closed(machine, notified, self.shutdown_until).await;
        }
        self.observer.last_work(self.shutdown_until).await;
        self.observer.report(ExportEvent::ShutDown);
        self.reply();
    }

    /// Waits for a notification, the end of a request, or `until`. True when notified.
    async fn wait(&mut self, notified: &mut Notified, until: Instant) -> bool {
        if until <= Instant::now() {
            // Lets the tasks that send run.
            tokio::task::yield_now().await;
            return false;
        }
        let mut ended = pin!(self.sending.ended());
        let mut wakeup = pin!(notified.wait_until(until));
        poll_fn(|cx| match ended.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending => wakeup.as_mut().poll(cx).map(|wakeup| wakeup == Wakeup::Notified),
        })
        .await
    }

    #[cfg(test)]
    #[allow(clippy::panic, reason = "the fault that a test injects")]
    fn fail_on_purpose(&mut self) {
        if self.turns_to_fail > 0 {
            self.turns_to_fail -= 1;
            panic!("on purpose");
        }
    }

    /// Books the spans that are left, because this thread ends before a shutdown.
    fn die(&mut self) {
        if self.is_started {
            self.observer.report(ExportEvent::Died);
        }
        let queue = (*self.queue).as_ref();
        queue.abandon();
        for tries in 0..LAST_DRAINS {
            // Dropping the chunks books their spans.
            match queue.apply(QueueAction::DrainAll) {
                Some(drained) if drained.missed > 0 => wait_for_slots(tries),
                _ => break,
            }
        }
    }
}

impl Drop for ExportThread {
    /// The end of the thread: by a shutdown, or by a panic that nothing else caught.
    fn drop(&mut self) {
        if !self.is_finished {
            self.die();
        }
        // Books the spans of requests and of the backlog, if there are any. It may hold a policy of the user's.
        let machine = self.machine.take();
        if let Err(panic) = catch_panic(|| drop(machine)) {
            self.observer.panicked("the hold-back policy's drop", panic);
        }
        // The owner of a span may hold the queue for long: it is to hold little memory.
        (*self.queue).as_ref().release();
        self.scopes.clear();
        self.observer.report(ExportEvent::Ending);
        let panic = self.spooling.drop_spool();
        self.report_panic(panic);
        for panic in self.transports.drop_all() {
            self.observer.panicked("the sink's drop", panic);
        }
    }
}

/// Waits for the threads that are in a slot of the closed queue, before the next of [`LAST_DRAINS`] tries. A thread is a few stores from
/// leaving it, unless the system has preempted it: then it needs a CPU, which yielding alone need not give it.
fn wait_for_slots(tries: u32) {
    match tries {
        0..LAST_YIELDS => std::thread::yield_now(),
        _ => std::thread::sleep(LAST_PAUSE),
    }
}

/// The name of a spool in reports of its panics.
const SPOOL: &str = "the spool";
/// Between two turns that only the observer asks for.
const MIN_WAIT: Duration = Duration::from_millis(1);
/// Turns in a row that may panic before the thread ends.
const MAX_FAILED_TURNS: u32 = 3;
/// Tries to drain every slot at the end.
const LAST_DRAINS: u32 = 1000;
/// The first of them, which only yield. The others wait for a second together.
const LAST_YIELDS: u32 = 100;
const LAST_PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;

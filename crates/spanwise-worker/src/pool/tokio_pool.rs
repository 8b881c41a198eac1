use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::{PoolReport, RejectReason, ShutdownMode, SubmitError};
use crate::limits::{QUEUE, TASKS};
use crate::panic::{drop_each_fenced, drop_fenced};
use crate::time::timer_deadline;
use crate::{catch_panic, deadline, fork};

/// [`WorkerPool`](crate::WorkerPool) for async tasks, on a tokio runtime: so many at a time, so
/// many that wait.
///
/// Dropping the pool abandons what waits and cancels what runs.
pub struct TokioPool {
    runtime: Handle,
    shared: Arc<Shared>,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Shared {
    tasks: usize,
    capacity: usize,
    /// A forked child has a copy of this, but not the runtime's threads, and locks that one of them
    /// may have held.
    generation: u32,
    state: Mutex<State>,
    /// One for each task that runs: a runner goes on with what waits, and ends when nothing does.
    /// Never locked together with `state`: tokio drops a runner at once when its runtime is gone,
    /// and that takes `state`.
    runners: Mutex<JoinSet<()>>,
    /// A runner has ended.
    at_rest: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Task>,
    closed: bool,
    /// All but `queued`.
    report: PoolReport,
}

impl TokioPool {
    /// At most `tasks` at a time on this runtime, and at most `queue` that wait. Each is brought
    /// within 1 to 16,777,216.
    pub fn new(runtime: Handle, tasks: usize, queue: usize) -> Self {
        fork::watch();
        let shared = Shared {
            tasks: tasks.clamp(*TASKS.start(), *TASKS.end()),
            capacity: queue.clamp(*QUEUE.start(), *QUEUE.end()),
            generation: fork::generation(),
            state: Mutex::default(),
            runners: Mutex::default(),
            at_rest: Notify::new(),
        };
        TokioPool { runtime, shared: Arc::new(shared) }
    }

    /// Runs a task now, or queues it, if there is room. Never waits for any. Works on any thread.
    ///
    /// # Errors
    /// The queue is full, the pool is shut down or was inherited by a fork: the task comes back.
    ///
    /// # Cost
    /// A short lock and an allocation; also a task of tokio's when fewer run than may.
    #[doc(alias = "submit")]
    pub fn try_submit<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.shared.is_inherited() {
            return Err(SubmitError { task, reason: RejectReason::Forked });
        }
        let mut state = self.shared.lock();
        let free = state.report.running < self.shared.tasks;
        let reason = match free || state.queue.len() < self.shared.capacity {
            _ if state.closed => RejectReason::Closed,
            false => RejectReason::Full,
            true => {
                state.report.submitted += 1;
                let task: Task = Box::pin(task);
                if free {
                    state.report.running += 1;
                    drop(state);
                    self.run(task);
                } else {
                    state.queue.push_back(task);
                }
                return Ok(());
            }
        };
        state.report.rejected += 1;
        Err(SubmitError { task, reason })
    }

    fn run(&self, task: Task) {
        let running = Running { shared: self.shared.clone(), task: Some(task) };
        let mut runners = self.shared.runners();
        // Those that have ended are of no more use.
        while runners.try_join_next().is_some() {}
        runners.spawn_on(running.run(), &self.runtime);
    }

    /// What became of the tasks so far. Nothing in a forked child, which has none of them.
    pub fn report(&self) -> PoolReport {
        if self.shared.is_inherited() {
            return PoolReport::default();
        }
        self.shared.lock().read()
    }

    /// [`shutdown_until`](Self::shutdown_until) `timeout` from now.
    pub async fn shutdown(&self, how: ShutdownMode, timeout: Duration) -> PoolReport {
        self.shutdown_until(how, deadline(Instant::now(), timeout)).await
    }

    /// Takes no more tasks, runs or drops those that wait, and waits for those that run, at most
    /// until `deadline`. What is left then is dropped or cancelled, and counted as abandoned; a
    /// task that computes without a pause still counts as running. In a forked child it returns at
    /// once.
    pub async fn shutdown_until(&self, how: ShutdownMode, deadline: Instant) -> PoolReport {
        if self.shared.is_inherited() {
            return PoolReport::default();
        }
        let dropped = {
            let mut state = self.shared.lock();
            state.closed = true;
            if how == ShutdownMode::Abandon { state.abandon() } else { VecDeque::new() }
        };
        drop_each_fenced(dropped);
        let _late = tokio::time::timeout_at(timer_deadline(deadline), self.shared.rest()).await;
        drop_each_fenced(self.shared.cancel());
        // Cancelled tasks end when they pause next: give those that do their turn.
        let _busy = tokio::time::timeout(GRACE, self.shared.rest()).await;
        self.report()
    }
}

impl Drop for TokioPool {
    fn drop(&mut self) {
        if self.shared.is_inherited() {
            // The tasks are the parent's, and to cancel one takes locks of its runtime.
            std::mem::forget(self.shared.clone());
            return;
        }
        self.shared.lock().closed = true;
        drop_each_fenced(self.shared.cancel());
    }
}

impl Shared {
    /// Whether this is a forked child's copy.
    fn is_inherited(&self) -> bool {
        fork::generation() != self.generation
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runners(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.runners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when no task runs and none waits.
    async fn rest(&self) {
        loop {
            let mut at_rest = std::pin::pin!(self.at_rest.notified());
            // Before the look, so that what happens after it is heard.
            at_rest.as_mut().enable();
            let report = self.lock().read();
            if report.running == 0 && report.queued == 0 {
                return;
            }
            at_rest.await;
        }
    }

    /// Takes what waits out, to be dropped without the lock, and cancels what runs.
    #[must_use]
    fn cancel(&self) -> VecDeque<Task> {
        let waiting = self.lock().abandon();
        self.runners().abort_all();
        waiting
    }
}

impl State {
    fn read(&self) -> PoolReport {
        PoolReport { queued: self.queue.len(), ..self.report }
    }

    #[must_use]
    fn abandon(&mut self) -> VecDeque<Task> {
        self.report.abandoned += self.queue.len() as u64;
        std::mem::take(&mut self.queue)
    }
}

/// A place among those that run, and the task that has it. Dropped with a task, it was cancelled.
struct Running {
    shared: Arc<Shared>,
    task: Option<Task>,
}

impl Running {
    async fn run(mut self) {
        while let Some(task) = &mut self.task {
            let ran = poll_fn(|cx| match catch_panic(|| task.as_mut().poll(cx)) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready(true),
                Err(_) => Poll::Ready(false),
            })
            .await;
            let ended = self.task.take();
            let dropped = catch_panic(|| drop(ended));
            let mut state = self.shared.lock();
            match ran && dropped.is_ok() {
                true => state.report.completed += 1,
                false => state.report.panicked += 1,
            }
            self.task = state.queue.pop_front();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let cancelled = self.task.take();
        let mut state = self.shared.lock();
        state.report.abandoned += u64::from(cancelled.is_some());
        state.report.running -= 1;
        drop(state);
        self.shared.at_rest.notify_waiters();
        drop_fenced(cancelled);
    }
}

impl fmt::Debug for TokioPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioPool")
            .field("tasks", &self.shared.tasks)
            .field("report", &self.report())
            .finish()
    }
}

/// Time cancelled tasks have to notice.
const GRACE: Duration = Duration::from_millis(10);

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

/// A [`WorkerPool`](crate::WorkerPool) for async tasks on a tokio runtime: a bounded number of tasks
/// that run at a time, and a bounded queue of tasks that wait.
///
/// Dropping the pool abandons the tasks that wait and cancels the tasks that run.
pub struct TokioPool {
    runtime: Handle,
    shared: Arc<Shared>,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Shared {
    max_running: usize,
    capacity: usize,
    /// The fork generation of the runtime. A forked child has a copy of this struct, but not the
    /// runtime's threads, one of which may have held a lock.
    generation: u32,
    state: Mutex<State>,
    /// One runner for each task that runs: a runner continues with a task that waits, and ends if none
    /// does. No thread locks it together with `state`, because tokio drops a runner at once if its
    /// runtime has shut down, and that drop locks `state`.
    runners: Mutex<JoinSet<()>>,
    /// Notified when a runner has ended.
    idle: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Task>,
    closed: bool,
    /// The report, without `queued`.
    report: PoolReport,
}

impl TokioPool {
    /// A pool of at most `tasks` that run at a time on `runtime`, and at most `queue` that wait. Both
    /// numbers are clamped to 1 to 16,777,216.
    pub fn new(runtime: Handle, tasks: usize, queue: usize) -> Self {
        fork::watch();
        let shared = Shared {
            max_running: tasks.clamp(*TASKS.start(), *TASKS.end()),
            capacity: queue.clamp(*QUEUE.start(), *QUEUE.end()),
            generation: fork::generation(),
            state: Mutex::default(),
            runners: Mutex::default(),
            idle: Notify::new(),
        };
        TokioPool { runtime, shared: Arc::new(shared) }
    }

    /// Submits a task: it starts now, or waits if the queue has space. Never waits for space. Works on
    /// any thread.
    ///
    /// # Errors
    /// The queue is full, the pool is shut down, or this process is a forked child: the error returns the
    /// task.
    ///
    /// # Cost
    /// A short lock and an allocation, and a tokio task if fewer than the maximum run.
    #[doc(alias = "submit")]
    pub fn try_submit<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.shared.is_inherited() {
            return Err(SubmitError { task, reason: RejectReason::Forked });
        }
        let mut state = self.shared.lock();
        let free = state.report.running < self.shared.max_running;
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
        let runner = Runner { shared: self.shared.clone(), task: Some(task) };
        let mut runners = self.shared.runners();
        // Removes the runners that have ended.
        while runners.try_join_next().is_some() {}
        runners.spawn_on(runner.run(), &self.runtime);
    }

    /// The outcome of all tasks so far. In a forked child all counts are 0, because the tasks are the
    /// parent's.
    pub fn report(&self) -> PoolReport {
        if self.shared.is_inherited() {
            return PoolReport::default();
        }
        self.shared.lock().read()
    }

    /// Shuts the pool down within at most `timeout`; see [`shutdown_until`](Self::shutdown_until).
    pub async fn shutdown(&self, mode: ShutdownMode, timeout: Duration) -> PoolReport {
        self.shutdown_until(mode, deadline(Instant::now(), timeout)).await
    }

    /// Shuts the pool down: it rejects further tasks, runs or drops the tasks that wait, and waits for the
    /// tasks that run, at most until `deadline`. At the deadline it drops the tasks that wait, cancels the
    /// tasks that run, waits 10 ms more for them to end, and counts both as abandoned; a task that never
    /// yields still counts as running. In a forked child it returns at once.
    pub async fn shutdown_until(&self, mode: ShutdownMode, deadline: Instant) -> PoolReport {
        if self.shared.is_inherited() {
            return PoolReport::default();
        }
        let dropped = {
            let mut state = self.shared.lock();
            state.closed = true;
            if mode == ShutdownMode::Abandon { state.abandon() } else { VecDeque::new() }
        };
        drop_each_fenced(dropped);
        let _late =
            tokio::time::timeout_at(timer_deadline(deadline).into(), self.shared.wait_idle()).await;
        drop_each_fenced(self.shared.cancel());
        // A cancelled task ends when it yields next.
        let _busy = tokio::time::timeout(GRACE, self.shared.wait_idle()).await;
        self.report()
    }
}

impl Drop for TokioPool {
    fn drop(&mut self) {
        if self.shared.is_inherited() {
            // The tasks are the parent's, and a cancellation takes locks of the parent's runtime.
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

    /// Waits until no task runs and none waits.
    async fn wait_idle(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            // Enabled before the check, so that a notification after the check is not lost.
            idle.as_mut().enable();
            let report = self.lock().read();
            if report.running == 0 && report.queued == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Cancels the tasks that run, and takes the tasks that wait out of the queue, for a drop without the
    /// lock.
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

/// A runner and its current task. A runner that is dropped with a task was cancelled.
struct Runner {
    shared: Arc<Shared>,
    task: Option<Task>,
}

impl Runner {
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

impl Drop for Runner {
    fn drop(&mut self) {
        let cancelled = self.task.take();
        let mut state = self.shared.lock();
        state.report.abandoned += u64::from(cancelled.is_some());
        state.report.running -= 1;
        drop(state);
        self.shared.idle.notify_waiters();
        drop_fenced(cancelled);
    }
}

impl fmt::Debug for TokioPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioPool")
            .field("tasks", &self.shared.max_running)
            .field("report", &self.report())
            .finish()
    }
}

/// The time in which cancelled tasks end.
const GRACE: Duration = Duration::from_millis(10);

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::shared::{Shared, State};
use super::{PoolReport, RejectReason, ShutdownMode, SubmitError};
use crate::deadline;
use crate::panic::drop_each_fenced;

/// A thread pool: a fixed number of named threads with one bounded queue of tasks.
///
/// The pool counts a task that panics, and its thread runs the next task. Dropping the pool abandons
/// the tasks that wait and does not wait for the tasks that run; [`shutdown`](Self::shutdown) drains or
/// abandons the queue, as its [`ShutdownMode`] states, and returns the outcome of all tasks.
pub struct WorkerPool {
    shared: Arc<Shared>,
    threads: usize,
}

impl WorkerPool {
    /// The handle of a pool with `threads` threads.
    pub(super) fn from_shared(shared: Arc<Shared>, threads: usize) -> Self {
        WorkerPool { shared, threads }
    }

    /// Submits a task if the queue has space. Never waits for space.
    ///
    /// # Errors
    /// The queue is full, the pool is shut down, or this process is a forked child: the error returns the
    /// task.
    ///
    /// # Cost
    /// A short lock, an allocation if the task captures a value, and the wakeup of a thread if
    /// one sleeps.
    #[doc(alias = "submit")]
    pub fn try_submit<F: FnOnce() + Send + 'static>(&self, task: F) -> Result<(), SubmitError<F>> {
        if self.shared.is_inherited() {
            return Err(SubmitError { task, reason: RejectReason::Forked });
        }
        let state = self.shared.lock();
        self.enqueue(state, task)
    }

    /// Submits a task, and waits for space in the queue for at most `timeout`; see
    /// [`submit_until`](Self::submit_until).
    ///
    /// # Errors
    /// As [`submit_until`](Self::submit_until).
    pub fn submit_timeout<F: FnOnce() + Send + 'static>(
        &self,
        task: F,
        timeout: Duration,
    ) -> Result<(), SubmitError<F>> {
        self.submit_until(task, deadline(Instant::now(), timeout))
    }

    /// Submits a task; blocks until the queue has space, at most until `deadline`.
    ///
    /// # Errors
    /// The queue has no space until then, or as [`try_submit`](Self::try_submit). On a thread of this pool
    /// it does not wait, because a pool whose threads all wait for space frees none.
    pub fn submit_until<F: FnOnce() + Send + 'static>(
        &self,
        task: F,
        deadline: Instant,
    ) -> Result<(), SubmitError<F>> {
        if self.shared.is_inherited() {
            return Err(SubmitError { task, reason: RejectReason::Forked });
        }
        let mut state = self.shared.lock();
        while !state.closed
            && state.queue.len() >= self.shared.capacity
            && !self.shared.is_own_thread()
        {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.waiting += 1;
            let waited = self.shared.space.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        self.enqueue(state, task)
    }

    /// The outcome of all tasks so far. In a forked child all counts are 0, because the tasks are the
    /// parent's.
    pub fn report(&self) -> PoolReport {
        if self.shared.is_inherited() {
            return PoolReport::default();
        }
        self.shared.lock().read()
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Shuts the pool down within at most `timeout`; see [`shutdown_until`](Self::shutdown_until).
    pub fn shutdown(&self, mode: ShutdownMode, timeout: Duration) -> PoolReport {
        self.shutdown_until(mode, deadline(Instant::now(), timeout))
    }

    /// Shuts the pool down: it rejects further tasks, runs or drops the tasks that wait, and waits until
    /// the threads end, at most until `deadline`. At the deadline it drops the tasks that still wait and
    /// counts them as abandoned; tasks that still run continue on their threads.
    ///
    /// Blocks on a condition variable and nothing else, so it works inside any runtime and in `Drop`. On
    /// a thread of this pool and in a forked child it does not wait. A second call waits and reports
    /// again.
    pub fn shutdown_until(&self, mode: ShutdownMode, deadline: Instant) -> PoolReport {
        if self.shared.is_inherited() {
            return PoolReport::default();
        }
        let mut state = self.shared.lock();
        state.closed = true;
        let dropped = if mode == ShutdownMode::Abandon { state.abandon() } else { VecDeque::new() };
        drop(state);
        self.shared.work.notify_all();
        self.shared.space.notify_all();
        drop_each_fenced(dropped);

        let mut state = self.shared.lock();
        while state.alive > 0 && !self.shared.is_own_thread() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.ended.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let dropped = state.abandon();
        let report = state.read();
        drop(state);
        drop_each_fenced(dropped);
        report
    }

    fn enqueue<F: FnOnce() + Send + 'static>(
        &self,
        mut state: MutexGuard<'_, State>,
        task: F,
    ) -> Result<(), SubmitError<F>> {
        let reason = match state.queue.len() < self.shared.capacity {
            _ if state.closed => RejectReason::Closed,
            false => RejectReason::Full,
            true => {
                state.queue.push_back(Box::new(task));
                state.report.submitted += 1;
                // Each idle thread is notified of one task, and a task wakes at most one idle thread.
                let wake = state.idle > 0;
                state.idle -= usize::from(wake);
                drop(state);
                if wake {
                    self.shared.work.notify_one();
                }
                return Ok(());
            }
        };
        state.report.rejected += 1;
        drop(state);
        Err(SubmitError { task, reason })
    }
}

/// Abandons the tasks that wait; does not wait for the tasks that run.
impl Drop for WorkerPool {
    fn drop(&mut self) {
        if self.shared.is_inherited() {
            // The tasks that wait are the parent's.
            std::mem::forget(self.shared.clone());
        } else {
            self.shared.abandon();
        }
    }
}

impl fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool")
            .field("threads", &self.threads)
            .field("report", &self.report())
            .finish()
    }
}

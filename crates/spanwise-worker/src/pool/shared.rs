use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::PoolReport;
use crate::panic::drop_each_fenced;
use crate::{catch_panic, fork};

/// A task of a `WorkerPool`.
pub(super) type Task = Box<dyn FnOnce() + Send>;

/// The state that the threads of a `WorkerPool` and its handle share.
pub(super) struct Shared {
    /// Identifies the threads of this pool.
    id: u64,
    /// The fork generation of the threads. A forked child has a copy of this struct, but not the
    /// threads, one of which may have held the lock.
    generation: u32,
    pub capacity: usize,
    pub state: Mutex<State>,
    /// Notified when a task waits or the pool is closed.
    pub work: Condvar,
    /// Notified when the queue has space.
    pub space: Condvar,
    /// Notified when a thread has ended.
    pub ended: Condvar,
}

/// The part of the state behind the lock.
#[derive(Default)]
pub(super) struct State {
    pub queue: VecDeque<Task>,
    pub closed: bool,
    /// Threads that wait for work and that no `notify_one` has woken.
    pub idle: usize,
    /// Callers that wait for space.
    pub waiting: usize,
    /// Threads that have not ended.
    pub alive: usize,
    /// The report, without `queued`.
    pub report: PoolReport,
}

impl Shared {
    /// The state of a new pool without threads.
    pub fn new(capacity: usize) -> Self {
        fork::watch();
        Shared {
            id: NEXT_ID.fetch_add(1, Relaxed),
            generation: fork::generation(),
            capacity,
            state: Mutex::default(),
            work: Condvar::new(),
            space: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    /// Whether the calling thread is one of this pool's.
    pub fn is_own_thread(&self) -> bool {
        CURRENT.get() == self.id
    }

    /// Whether this is a forked child's copy.
    pub fn is_inherited(&self) -> bool {
        fork::generation() != self.generation
    }

    /// Locks the state. A panic of a task never poisons it: tasks run without the lock.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs tasks until the pool is closed and its queue is empty: the body of a thread.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.queue.pop_front() {
                state.report.running += 1;
                let has_waiting = state.waiting > 0;
                drop(state);
                if has_waiting {
                    self.space.notify_one();
                }
                let ran = catch_panic(task);
                state = self.lock();
                state.report.running -= 1;
                match ran {
                    Ok(()) => state.report.completed += 1,
                    Err(_) => state.report.panicked += 1,
                }
                continue;
            }
            if state.closed {
                return;
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            // After a spurious wakeup the thread may still count as idle. Then a later task wakes one
            // thread without need; `idle` is never too small.
        }
    }

    /// Closes the pool and abandons the tasks that wait, as the drop of a pool does.
    pub fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        let dropped = state.abandon();
        drop(state);
        self.work.notify_all();
        self.space.notify_all();
        drop_each_fenced(dropped);
    }
}

impl State {
    /// The report of this instant.
    pub fn read(&self) -> PoolReport {
        PoolReport { queued: self.queue.len(), ..self.report }
    }

    /// Takes the tasks that wait out of the queue, for a drop without the lock.
    #[must_use]
    pub fn abandon(&mut self) -> VecDeque<Task> {
        self.report.abandoned += self.queue.len() as u64;
        std::mem::take(&mut self.queue)
    }
}

/// A thread of the pool. Its drop counts the end of the thread, after a panic too.
pub(super) struct AliveGuard(Arc<Shared>);

impl AliveGuard {
    /// Counts a thread before it is spawned.
    pub fn new(shared: Arc<Shared>) -> Self {
        shared.lock().alive += 1;
        AliveGuard(shared)
    }

    /// Marks the calling thread as one of the pool's.
    pub fn enter(&self) {
        CURRENT.set(self.0.id);
    }

    /// Runs the tasks of the pool on the calling thread until the pool is closed.
    pub fn run(&self) {
        self.0.run();
    }
}

impl Drop for AliveGuard {
    fn drop(&mut self) {
        self.0.lock().alive -= 1;
        self.0.ended.notify_all();
    }
}

thread_local! {
    /// The id of the pool that the thread belongs to. It has no destructor, so code can read it until
    /// the thread ends.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

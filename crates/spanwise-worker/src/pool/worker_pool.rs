use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{error, fmt, io, thread};

use super::{PoolReport, RejectReason, ShutdownMode, SubmitError};
use crate::limits::{self, Outside, QUEUE, STACK, THREADS, thread_name};
use crate::panic::{drop_each_fenced, drop_fenced};
use crate::{catch_panic, deadline, fork};

/// A fixed number of named threads that run what they are given, and a bounded queue before them.
///
/// A task that panics is counted and costs its thread nothing. Dropping the pool abandons what
/// waits and does not wait for what runs; [`shutdown_until`](Self::shutdown_until) does either as told, and
/// says what became of each task.
pub struct WorkerPool {
    shared: Arc<Shared>,
    threads: usize,
}

/// Sets up a [`WorkerPool`].
#[must_use = "no thread is there before `build`"]
pub struct WorkerPoolBuilder {
    name: String,
    threads: usize,
    queue: usize,
    stack_size: Option<usize>,
    before: Arc<Before>,
}

type Before = dyn Fn() -> Box<dyn Any> + Send + Sync;
type Task = Box<dyn FnOnce() + Send>;

/// Why there is no pool.
#[non_exhaustive]
pub enum WorkerPoolError {
    /// A number is out of its range.
    Setting {
        /// "threads", "queue" or "stack size".
        field: &'static str,
        /// What it was set to.
        value: usize,
        /// The smallest accepted value.
        min: usize,
        /// The largest accepted value.
        max: usize,
    },
    /// The operating system refused a thread. Those it had granted end.
    Spawn(io::Error),
}

struct Shared {
    /// Tells this pool's threads from others.
    id: u64,
    /// Where the threads live. A forked child has a copy of this, but not the threads, and locks
    /// that one of them may have held.
    generation: u32,
    capacity: usize,
    state: Mutex<State>,
    /// A task waits, or the pool is closed.
    work: Condvar,
    /// There is room in the queue.
    room: Condvar,
    /// A thread has ended.
    ended: Condvar,
}

struct State {
    queue: VecDeque<Task>,
    closed: bool,
    /// Threads that wait for work and have not been told of any.
    idle: usize,
    /// Threads that wait for room.
    waiting: usize,
    /// Threads that have not ended.
    alive: usize,
    /// All but `queued`.
    report: PoolReport,
}

impl WorkerPool {
    /// A pool whose threads are called `name-0`, `name-1` and so on (Linux cuts names after 15
    /// bytes). By default as many as there are processors, and a queue of 1,000.
    pub fn builder(name: impl Into<String>) -> WorkerPoolBuilder {
        WorkerPoolBuilder {
            name: thread_name(&name.into()),
            threads: thread::available_parallelism().map_or(1, usize::from).min(*THREADS.end()),
            queue: 1000,
            stack_size: None,
            before: Arc::new(|| Box::new(())),
        }
    }

    /// Queues a task, if there is room. Never waits for any.
    ///
    /// # Errors
    /// The queue is full, the pool is shut down or was inherited by a fork: the task comes back.
    ///
    /// # Cost
    /// A short lock, an allocation if the task captures something, and the waking of a thread if
    /// one sleeps.
    #[doc(alias = "submit")]
    pub fn try_submit<F: FnOnce() + Send + 'static>(&self, task: F) -> Result<(), SubmitError<F>> {
        if self.shared.is_inherited() {
            return Err(SubmitError { task, reason: RejectReason::Forked });
        }
        let state = self.shared.lock();
        self.submit(state, task)
    }

    /// [`submit_until`](Self::submit_until) `timeout` from now.
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

    /// Queues a task; blocks until the queue has a free place, at most until `deadline`.
    ///
    /// # Errors
    /// No room until then, or as [`try_submit`](Self::try_submit). On a thread of this pool it does
    /// not wait: there, waiting for the others could be waiting for oneself.
    pub fn submit_until<F: FnOnce() + Send + 'static>(
        &self,
        task: F,
        deadline: Instant,
    ) -> Result<(), SubmitError<F>> {
        if self.shared.is_inherited() {
            return Err(SubmitError { task, reason: RejectReason::Forked });
        }
        let mut state = self.shared.lock();
        while !state.closed && state.queue.len() >= self.shared.capacity && !self.is_own_thread() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.waiting += 1;
            let waited = self.shared.room.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        self.submit(state, task)
    }

    /// What became of the tasks so far. Nothing in a forked child, which has none of them.
    pub fn report(&self) -> PoolReport {
        if self.shared.is_inherited() {
            return PoolReport::default();
        }
        self.shared.lock().read()
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// [`shutdown_until`](Self::shutdown_until) `timeout` from now.
    pub fn shutdown(&self, how: ShutdownMode, timeout: Duration) -> PoolReport {
        self.shutdown_until(how, deadline(Instant::now(), timeout))
    }

    /// Takes no more tasks, runs or drops those that wait, and waits for the threads to end, at
    /// most until `deadline`. What still waits then is dropped and counted as abandoned; what still
    /// runs is left to its thread.
    ///
    /// Blocks on a condition variable and nothing else, so it works from inside any runtime and
    /// from `Drop`. On a thread of this pool and in a forked child it does not wait. A second call
    /// waits again and reports again.
    pub fn shutdown_until(&self, how: ShutdownMode, deadline: Instant) -> PoolReport {
        if self.shared.is_inherited() {
            return PoolReport::default();
        }
        let mut state = self.shared.lock();
        state.closed = true;
        let dropped = if how == ShutdownMode::Abandon { state.abandon() } else { VecDeque::new() };
        drop(state);
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        drop_each_fenced(dropped);

        let mut state = self.shared.lock();
        while state.alive > 0 && !self.is_own_thread() {
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

    fn submit<F: FnOnce() + Send + 'static>(
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
                // Each sleeper is told of one task, and a task wakes one sleeper at most.
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

    fn is_own_thread(&self) -> bool {
        CURRENT.get() == self.shared.id
    }
}

/// Abandons what waits; does not wait for what runs.
impl Drop for WorkerPool {
    fn drop(&mut self) {
        if self.shared.is_inherited() {
            // What waits is the parent's.
            std::mem::forget(self.shared.clone());
        } else {
            self.shared.close();
        }
    }
}

impl WorkerPoolBuilder {
    /// Threads, and so tasks at a time, 1 to 4,096. Default: one for each processor.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Tasks that may wait, 1 to 16,777,216. Default 1,000.
    pub fn with_queue(mut self, tasks: usize) -> Self {
        self.queue = tasks;
        self
    }

    /// Stack of a thread in bytes, 64 KiB to 1 GiB; the default is Rust's (2 MiB, or
    /// `RUST_MIN_STACK`). Only what is touched takes memory.
    pub fn with_stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Runs `hook` on each thread before anything else, and keeps what it returns until the end of
    /// the thread. The place to enter a scope, say one that suppresses telemetry.
    pub fn with_on_thread_start<G: 'static>(
        mut self,
        hook: impl Fn() -> G + Send + Sync + 'static,
    ) -> Self {
        self.before = Arc::new(move || Box::new(hook()));
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// A number is out of its range, or the operating system refused a thread.
    pub fn build(self) -> Result<WorkerPool, WorkerPoolError> {
        limits::check("threads", self.threads, THREADS)?;
        limits::check("queue", self.queue, QUEUE)?;
        if let Some(bytes) = self.stack_size {
            limits::check("stack size", bytes, STACK)?;
        }
        fork::watch();
        let shared = Arc::new(Shared {
            id: NEXT_ID.fetch_add(1, Relaxed),
            generation: fork::generation(),
            capacity: self.queue,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                closed: false,
                idle: 0,
                waiting: 0,
                alive: 0,
                report: PoolReport::default(),
            }),
            work: Condvar::new(),
            room: Condvar::new(),
            ended: Condvar::new(),
        });
        let pool = WorkerPool { shared, threads: self.threads };
        let name = self.name;
        for index in 0..self.threads {
            let mut thread = thread::Builder::new().name(format!("{name}-{index}"));
            if let Some(bytes) = self.stack_size {
                thread = thread.stack_size(bytes);
            }
            let (shared, before) = (pool.shared.clone(), self.before.clone());
            pool.shared.lock().alive += 1;
            let spawned = thread.spawn(move || {
                let alive = Alive(shared);
                CURRENT.set(alive.0.id);
                // A hook that panics costs what it would have kept, not the thread.
                let kept = catch_panic(|| before());
                alive.0.run();
                drop_fenced(kept);
            });
            if let Err(error) = spawned {
                pool.shared.lock().alive -= 1;
                return Err(WorkerPoolError::Spawn(error));
            }
        }
        Ok(pool)
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

    /// A thread's life.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.queue.pop_front() {
                state.report.running += 1;
                let somebody_waits = state.waiting > 0;
                drop(state);
                if somebody_waits {
                    self.room.notify_one();
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
            // Woken for nothing, it may still count as idle: then a task wakes it once for nothing
            // too. It never counts less than it should.
        }
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let dropped = state.abandon();
        drop(state);
        self.work.notify_all();
        self.room.notify_all();
        drop_each_fenced(dropped);
    }
}

impl State {
    fn read(&self) -> PoolReport {
        PoolReport { queued: self.queue.len(), ..self.report }
    }

    /// Takes what waits out, to be dropped without the lock.
    #[must_use]
    fn abandon(&mut self) -> VecDeque<Task> {
        self.report.abandoned += self.queue.len() as u64;
        std::mem::take(&mut self.queue)
    }
}

/// Reports the end of a thread, however it comes.
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.lock().alive -= 1;
        self.0.ended.notify_all();
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

impl fmt::Debug for WorkerPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPoolBuilder")
            .field("name", &self.name)
            .field("threads", &self.threads)
            .field("queue", &self.queue)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

impl From<Outside> for WorkerPoolError {
    fn from(outside: Outside) -> Self {
        let Outside { field, value, min, max } = outside;
        WorkerPoolError::Setting { field, value, min, max }
    }
}

impl fmt::Display for WorkerPoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkerPoolError::Setting { field, value, min, max } => {
                Outside { field, value: *value, min: *min, max: *max }.fmt(f)
            }
            WorkerPoolError::Spawn(error) => write!(f, "a thread could not be started: {error}"),
        }
    }
}

/// As [`Display`](fmt::Display): `main` and `unwrap` show errors by this.
impl fmt::Debug for WorkerPoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for WorkerPoolError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            WorkerPoolError::Spawn(error) => Some(error),
            _ => None,
        }
    }
}

thread_local! {
    /// Id of the pool this thread belongs to. Has no destructor, so it can be read to the very end.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

use std::any::Any;
use std::sync::Arc;
use std::{fmt, thread};

use super::error::WorkerPoolError;
use super::shared::{AliveGuard, Shared};
use super::worker_pool::WorkerPool;
use crate::catch_panic;
use crate::limits::{self, QUEUE, STACK, THREADS, thread_name};
use crate::panic::drop_fenced;

/// The builder of a [`WorkerPool`].
#[must_use = "`build` starts the threads"]
pub struct WorkerPoolBuilder {
    name: String,
    threads: usize,
    queue: usize,
    stack_size: Option<usize>,
    on_thread_start: Arc<OnThreadStart>,
}

/// Runs on each thread before its first task; the thread drops the returned guard at its end.
type OnThreadStart = dyn Fn() -> Box<dyn Any> + Send + Sync;

impl WorkerPool {
    /// A builder of a pool whose threads are named `name-0`, `name-1` and so on (Linux cuts names after
    /// 15 bytes). By default the pool has one thread per processor and a queue of 1,000.
    pub fn builder(name: impl Into<String>) -> WorkerPoolBuilder {
        WorkerPoolBuilder {
            name: thread_name(&name.into()),
            threads: thread::available_parallelism().map_or(1, usize::from).min(*THREADS.end()),
            queue: 1000,
            stack_size: None,
            on_thread_start: Arc::new(|| Box::new(())),
        }
    }
}

impl WorkerPoolBuilder {
    /// Sets the number of threads, and so of tasks that run at a time: 1 to 4,096. Default: one per
    /// processor.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the capacity of the queue in tasks: 1 to 16,777,216. Default 1,000.
    pub fn with_queue(mut self, tasks: usize) -> Self {
        self.queue = tasks;
        self
    }

    /// Sets the stack size of a thread in bytes, 64 KiB to 1 GiB; the default is that of std (2 MiB, or
    /// `RUST_MIN_STACK`). Only touched pages take memory.
    pub fn with_stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Runs `hook` on each thread before its first task, and holds the returned guard until the end of
    /// the thread. For entering a scope, for example one that suppresses telemetry.
    pub fn with_on_thread_start<G: 'static>(
        mut self,
        hook: impl Fn() -> G + Send + Sync + 'static,
    ) -> Self {
        self.on_thread_start = Arc::new(move || Box::new(hook()));
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// A setting is out of its accepted range, or the operating system refused a thread.
    pub fn build(self) -> Result<WorkerPool, WorkerPoolError> {
        limits::check("threads", self.threads, THREADS)?;
        limits::check("queue", self.queue, QUEUE)?;
        if let Some(bytes) = self.stack_size {
            limits::check("stack size", bytes, STACK)?;
        }
        let shared = Arc::new(Shared::new(self.queue));
        let pool = WorkerPool::from_shared(shared.clone(), self.threads);
        for index in 0..self.threads {
            let mut thread = thread::Builder::new().name(format!("{}-{index}", self.name));
            if let Some(bytes) = self.stack_size {
                thread = thread.stack_size(bytes);
            }
            let on_thread_start = self.on_thread_start.clone();
            let alive = AliveGuard::new(shared.clone());
            // A refused thread drops its closure, and with it the guard.
            let spawned = thread.spawn(move || {
                alive.enter();
                // A hook that panics loses its guard, and the thread still runs tasks.
                let guard = catch_panic(|| on_thread_start());
                alive.run();
                drop_fenced(guard);
            });
            spawned.map_err(WorkerPoolError::Spawn)?;
        }
        Ok(pool)
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

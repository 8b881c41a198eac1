use std::any::Any;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io, process, thread};

use crate::limits::{self, thread_name};
use crate::{
    Notified, Notifier, catch_panic, catch_panic_async, deadline, fork, mask_sigpipe, notify,
    oneshot,
};

/// A named thread with a runtime of its own, running one future to its end.
///
/// The thread, its timers and its sockets are the worker's alone: nothing depends on a runtime of
/// the program, and nothing here blocks one. Dropping the `Worker` does not stop the thread; that
/// is agreed on with the future, which ends by returning. An ended worker holds nothing but a few
/// words, whoever has a [`Notifier`] of it.
///
/// Its threads, those that resolve names included, get no SIGPIPE (see [`mask_sigpipe`]), and
/// with the feature `tracing` nothing on them becomes a span or an event of the program (see
/// `suppress_tracing`); of a subscriber that comes later, from the next poll of the future on.
#[derive(Debug)]
pub struct Worker {
    life: Arc<Life>,
    notifier: Notifier,
}

/// How the worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// The thread was started and has not come to its end.
    Running,
    /// The future returned, and the runtime is gone.
    Finished,
    /// The future panicked, or what was called to make it, or a destructor at its end. The panic
    /// went no further than the worker thread, and the runtime is gone.
    Panicked,
}

/// Sets up a [`Worker`].
#[must_use = "nothing runs before `spawn`"]
pub struct WorkerBuilder {
    name: String,
    stack_size: Option<usize>,
    before: Box<dyn FnOnce() -> Box<dyn Any> + Send>,
}

#[derive(Debug)]
struct Life {
    /// Tells this worker's thread from any other, without asking for a thread handle, which is
    /// not to be had late in a thread's exit.
    id: u64,
    /// Where the thread lives. A forked child has a copy of this, but not the thread.
    pid: u32,
    /// A `State`. Written under `lock`, for `ended`; read without, so that a child forked while
    /// the lock was held can read it too.
    state: AtomicU8,
    lock: Mutex<()>,
    ended: Condvar,
}

impl Worker {
    /// A worker whose thread will be called `name`, without control characters and cut after 64
    /// bytes (systems show less of it; Linux 15 bytes).
    pub fn builder(name: impl Into<String>) -> WorkerBuilder {
        WorkerBuilder {
            name: thread_name(&name.into()),
            stack_size: None,
            before: Box::new(|| Box::new(())),
        }
    }

    /// [`builder`](Worker::builder) with nothing set, and [`spawn`](WorkerBuilder::spawn).
    ///
    /// # Errors
    /// As [`WorkerBuilder::spawn`].
    pub fn spawn<F, Fut>(name: impl Into<String>, work: F) -> io::Result<Worker>
    where
        F: FnOnce(Notified) -> Fut + Send + 'static,
        Fut: Future<Output = ()>,
    {
        Worker::builder(name).spawn(work)
    }

    /// A handle that notifies the worker's [`Notified`].
    pub fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// Wakes the worker's [`Notified`]; see [`Notifier::notify`].
    pub fn notify(&self) {
        self.notifier.notify();
    }

    /// How the worker is doing. In a forked child: how it was doing at the fork.
    pub fn state(&self) -> WorkerState {
        self.life.state()
    }

    /// Whether the caller is on the worker's own thread, where waiting for it would never end.
    pub fn is_current_thread(&self) -> bool {
        CURRENT.get() == self.life.id
    }

    /// Whether this process was forked from the one the thread lives in, and so has no worker.
    ///
    /// # Cost
    /// One `getpid`.
    pub fn is_forked_child(&self) -> bool {
        process::id() != self.life.pid
    }

    /// [`join_until`](Self::join_until) `timeout` from now.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.join_until(deadline(Instant::now(), timeout))
    }

    /// Waits for the worker to end, at most until `deadline`; returns whether it has ended.
    ///
    /// Blocks on a condition variable and nothing else, so it works from inside any runtime, from
    /// `Drop` and from a panic hook. On the worker's own thread and in a forked child it returns
    /// false at once.
    pub fn join_until(&self, deadline: Instant) -> bool {
        if self.is_current_thread() || self.is_forked_child() {
            return false;
        }
        let mut lock = self.life.lock();
        while self.life.state() == WorkerState::Running {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.life.ended.wait_timeout(lock, left);
            lock = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl WorkerBuilder {
    /// Stack of the thread in bytes, 64 KiB to 1 GiB; the default is Rust's (2 MiB, or
    /// `RUST_MIN_STACK`). Only what is touched takes memory.
    pub fn with_stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Runs `hook` on the thread before anything else, and keeps what it returns until the end of
    /// the thread. The place to enter a scope, say one that suppresses telemetry.
    pub fn with_on_thread_start<G: 'static>(
        mut self,
        hook: impl FnOnce() -> G + Send + 'static,
    ) -> Self {
        self.before = Box::new(|| Box::new(hook()));
        self
    }

    /// Starts the thread, builds the runtime on it and runs the future `work` returns.
    ///
    /// Waits until the runtime stands, so that an error is not found out later; a second at most.
    ///
    /// # Errors
    /// The operating system refused a thread, or what the runtime needs (say, a file descriptor).
    /// `InvalidInput`: a stack size out of range.
    pub fn spawn<F, Fut>(self, work: F) -> io::Result<Worker>
    where
        F: FnOnce(Notified) -> Fut + Send + 'static,
        Fut: Future<Output = ()>,
    {
        let name = self.name;
        if let Some(bytes) = self.stack_size {
            limits::check("stack size", bytes, limits::STACK)
                .map_err(|outside| io::Error::new(io::ErrorKind::InvalidInput, outside))?;
        }
        fork::watch();
        let (notifier, notified) = notify();
        let life = Arc::new(Life {
            id: NEXT_ID.fetch_add(1, Relaxed),
            pid: process::id(),
            state: AtomicU8::new(WorkerState::Running as u8),
            lock: Mutex::new(()),
            ended: Condvar::new(),
        });
        let mut thread = thread::Builder::new().name(name.clone());
        if let Some(bytes) = self.stack_size {
            thread = thread.stack_size(bytes);
        }

        let (built, standing) = oneshot::channel();
        let (before, ending) =
            (self.before, Ending { life: life.clone(), state: WorkerState::Panicked });
        thread.spawn(move || {
            let mut ending = ending;
            CURRENT.set(ending.life.id);
            isolate_thread();
            let body = || {
                let _kept = before();
                let runtime = match runtime(&name) {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        built.send(Err(error));
                        return Ok(());
                    }
                };
                built.send(Ok(()));
                // A fence in a fence: the outer one would unwind through the future after it
                // panicked, and a destructor that panics then ends the program.
                let ran = catch_panic(|| {
                    let mut work = pin!(catch_panic_async(work(notified)));
                    runtime.block_on(poll_fn(|cx| {
                        stay_untraced();
                        work.as_mut().poll(cx)
                    }))
                });
                // A look-up that hangs in the resolver must not keep the thread from ending; a
                // mere drop would wait for it.
                runtime.shutdown_background();
                ran?
            };
            if let Ok(Ok(())) = catch_panic(body) {
                ending.state = WorkerState::Finished;
            }
        })?;
        match standing.recv_until(deadline(Instant::now(), STANDS_WITHIN)) {
            Some(Err(error)) => Err(error),
            _ => Ok(Worker { life, notifier }),
        }
    }
}

impl Life {
    fn state(&self) -> WorkerState {
        // ORDER: Acquire, so that who sees the end sees what the worker did before it.
        match self.state.load(Acquire) {
            state if state == WorkerState::Running as u8 => WorkerState::Running,
            state if state == WorkerState::Finished as u8 => WorkerState::Finished,
            _ => WorkerState::Panicked,
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports the end of the thread, however it comes.
struct Ending {
    life: Arc<Life>,
    state: WorkerState,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let lock = self.life.lock();
        // ORDER: Release, pairs with `state`.
        self.life.state.store(self.state as u8, Release);
        drop(lock);
        self.life.ended.notify_all();
    }
}

fn runtime(name: &str) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // Used for name resolution only.
        .max_blocking_threads(2)
        .thread_name(name)
        // For the threads that resolve names; the worker's own is isolated already.
        .on_thread_start(isolate_thread)
        // The program may have got its subscriber meanwhile: looked for after each sleep, and, as a
        // busy worker does not sleep, at each poll of its future.
        .on_thread_unpark(stay_untraced)
        .build()
}

/// What a thread of ours owes the program it lives in: no signal from its writes, no spans and no
/// events from the libraries it uses.
fn isolate_thread() {
    mask_sigpipe();
    stay_untraced();
}

fn stay_untraced() {
    #[cfg(feature = "tracing")]
    crate::suppress_tracing();
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// Id of the worker this thread is. Has no destructor, so it can be read to the very end.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

const STANDS_WITHIN: Duration = Duration::from_secs(1);

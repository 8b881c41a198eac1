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

/// A named thread with its own current-thread tokio runtime, which runs one future to its end.
///
/// The worker alone owns the thread, its timers and its sockets: it needs no runtime of the program and
/// blocks none. Dropping the `Worker` does not stop the thread; the thread ends when the future returns.
/// An ended worker holds a few machine words, also while a [`Notifier`] of it exists.
///
/// Its threads, including the two of tokio's `spawn_blocking`, receive no SIGPIPE (see [`mask_sigpipe`]). With the
/// feature `tracing` they make no spans and events of the program (see `suppress_tracing`); if the
/// program sets its subscriber later, from the next poll of the future on.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    notifier: Notifier,
}

/// The state of a [`Worker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// The thread has started and has not ended.
    Running,
    /// The future returned, and the runtime is dropped.
    Finished,
    /// The future, the function that made it, or a destructor at its end panicked. The worker thread
    /// caught the panic, and the runtime is dropped.
    Panicked,
}

/// The builder of a [`Worker`].
#[must_use = "`spawn` starts the thread"]
pub struct WorkerBuilder {
    name: String,
    stack_size: Option<usize>,
    on_thread_start: Box<dyn FnOnce() -> Box<dyn Any> + Send>,
}

/// The state that the thread and its handle share.
#[derive(Debug)]
struct Shared {
    /// Identifies the worker's thread without a thread handle, which is not available late in a
    /// thread's exit.
    id: u64,
    /// The process of the thread. A forked child has a copy of this struct, but not the thread.
    pid: u32,
    /// A `WorkerState`. Written under `lock`, for `ended`; read without it, so that a child that was
    /// forked while a thread held the lock can read it too.
    state: AtomicU8,
    lock: Mutex<()>,
    ended: Condvar,
}

impl Worker {
    /// A builder of a worker whose thread is named `name`, without control characters and cut after 64
    /// bytes (systems show fewer; Linux 15 bytes).
    pub fn builder(name: impl Into<String>) -> WorkerBuilder {
        WorkerBuilder {
            name: thread_name(&name.into()),
            stack_size: None,
            on_thread_start: Box::new(|| Box::new(())),
        }
    }

    /// Spawns a worker with default settings; see [`WorkerBuilder::spawn`].
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

    /// Notifies the worker's [`Notified`]; see [`Notifier::notify`].
    pub fn notify(&self) {
        self.notifier.notify();
    }

    /// The state of the worker; in a forked child, its state at the fork.
    pub fn state(&self) -> WorkerState {
        self.shared.state()
    }

    /// Whether the calling thread is the worker's own, on which a join would never end.
    pub fn is_current_thread(&self) -> bool {
        CURRENT.get() == self.shared.id
    }

    /// Whether this process is a forked child of the worker's process, and so has no worker thread.
    ///
    /// # Cost
    /// One `getpid`.
    pub fn is_forked_child(&self) -> bool {
        process::id() != self.shared.pid
    }

    /// Joins the worker thread, and waits for it for at most `timeout`; see
    /// [`join_until`](Self::join_until).
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.join_until(deadline(Instant::now(), timeout))
    }

    /// Joins the worker thread: waits until it ends, at most until `deadline`; returns whether it has
    /// ended.
    ///
    /// Blocks on a condition variable and nothing else, so it works inside any runtime, in `Drop` and in
    /// a panic hook. On the worker's own thread and in a forked child it returns false at once.
    pub fn join_until(&self, deadline: Instant) -> bool {
        if self.is_current_thread() || self.is_forked_child() {
            return false;
        }
        let mut lock = self.shared.lock();
        while self.shared.state() == WorkerState::Running {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.ended.wait_timeout(lock, left);
            lock = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl WorkerBuilder {
    /// Sets the stack size of the thread in bytes, 64 KiB to 1 GiB; the default is that of std (2 MiB, or
    /// `RUST_MIN_STACK`). Only touched pages take memory.
    pub fn with_stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Runs `hook` on the thread before the future is made, and holds the returned guard until the end of
    /// the thread. For entering a scope, for example one that suppresses telemetry.
    pub fn with_on_thread_start<G: 'static>(
        mut self,
        hook: impl FnOnce() -> G + Send + 'static,
    ) -> Self {
        self.on_thread_start = Box::new(|| Box::new(hook()));
        self
    }

    /// Spawns the thread, builds the runtime on it and runs the future that `work` returns.
    ///
    /// Waits until the runtime is built, at most a second, so that it can return the runtime's error.
    ///
    /// # Errors
    /// The operating system refused a thread or a resource of the runtime, such as a file descriptor.
    /// `InvalidInput`: the stack size is out of its range.
    pub fn spawn<F, Fut>(self, work: F) -> io::Result<Worker>
    where
        F: FnOnce(Notified) -> Fut + Send + 'static,
        Fut: Future<Output = ()>,
    {
        let name = self.name;
        if let Some(bytes) = self.stack_size {
            limits::check("stack size", bytes, limits::STACK)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        }
        fork::watch();
        let (notifier, notified) = notify();
        let shared = Arc::new(Shared {
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

        let (built, is_built) = oneshot::channel();
        let on_thread_start = self.on_thread_start;
        let guard = EndGuard { shared: shared.clone(), state: WorkerState::Panicked };
        thread.spawn(move || {
            let mut end = guard;
            CURRENT.set(end.shared.id);
            isolate_thread();
            let body = || {
                let _guard = on_thread_start();
                let runtime = match runtime(&name) {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        built.send(Err(error));
                        return Ok(());
                    }
                };
                built.send(Ok(()));
                // An inner `catch_panic`: the outer one would unwind through the future after it
                // panicked, and a destructor that panics then aborts the program.
                let ran = catch_panic(|| {
                    let mut work = pin!(catch_panic_async(work(notified)));
                    runtime.block_on(poll_fn(|cx| {
                        suppress_tracing_here();
                        work.as_mut().poll(cx)
                    }))
                });
                // A blocking call that hangs must not delay the end of the thread; the
                // drop of the runtime would wait for it.
                runtime.shutdown_background();
                ran?
            };
            if let Ok(Ok(())) = catch_panic(body) {
                end.state = WorkerState::Finished;
            }
        })?;
        match is_built.recv_timeout(STARTUP_TIMEOUT) {
            Some(Err(error)) => Err(error),
            _ => Ok(Worker { shared, notifier }),
        }
    }
}

impl Shared {
    fn state(&self) -> WorkerState {
        // ORDER: Acquire: a thread that sees the end also sees the worker's writes before it; pairs
        // with the Release in the drop of `EndGuard`.
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

/// Its drop reports the end of the thread, after a panic too.
struct EndGuard {
    shared: Arc<Shared>,
    state: WorkerState,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let lock = self.shared.lock();
        // ORDER: Release publishes the worker's writes; pairs with the Acquire in `state`.
        self.shared.state.store(self.state as u8, Release);
        drop(lock);
        self.shared.ended.notify_all();
    }
}

fn runtime(name: &str) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // For futures that call `spawn_blocking`. Name resolution does not: a name server that hangs would
        // occupy both threads.
        .max_blocking_threads(2)
        .thread_name(name)
        // For the threads of `spawn_blocking`; the worker's own thread is isolated already.
        .on_thread_start(isolate_thread)
        // The program may have set its subscriber meanwhile. The worker checks after each sleep and,
        // because a busy worker does not sleep, at each poll of its future.
        .on_thread_unpark(suppress_tracing_here)
        .build()
}

/// Isolates the calling thread from the program: its writes raise no SIGPIPE, and its libraries make no
/// spans and no events.
fn isolate_thread() {
    mask_sigpipe();
    suppress_tracing_here();
}

fn suppress_tracing_here() {
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
    /// The id of the worker whose thread this is. It has no destructor, so code can read it until the
    /// thread ends.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The longest time that `spawn` waits for the runtime.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(1);

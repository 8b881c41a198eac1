use std::error::Error;
use std::fmt;

/// How the shutdown of a pool treats the tasks that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownMode {
    /// The pool runs them, until the deadline.
    Drain,
    /// The pool drops them and counts them as abandoned.
    Abandon,
}

/// The outcome of the tasks of a pool, as counts.
///
/// `submitted = completed + panicked + abandoned + running + queued`, at every instant.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolReport {
    /// Tasks that the pool accepted.
    pub submitted: u64,
    /// Tasks that the pool returned, because the queue was full or the pool closed.
    pub rejected: u64,
    /// Tasks that ran to their end.
    pub completed: u64,
    /// Tasks that panicked; the pool caught the panic.
    pub panicked: u64,
    /// Tasks dropped before they ran, or (async ones) before their end.
    pub abandoned: u64,
    /// Tasks that run now; after a shutdown, the tasks that still run after the deadline.
    pub running: usize,
    /// Tasks that wait now.
    pub queued: usize,
}

impl PoolReport {
    /// Whether no task was lost and none is left.
    pub fn is_clean(&self) -> bool {
        self.panicked == 0 && self.abandoned == 0 && self.running == 0 && self.queued == 0
    }
}

impl fmt::Display for PoolReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PoolReport { submitted, rejected, completed, panicked, abandoned, running, queued } =
            self;
        write!(
            f,
            "{submitted} tasks submitted: {completed} completed, {panicked} panicked, \
             {abandoned} abandoned, {running} running, {queued} queued; {rejected} rejected"
        )
    }
}

/// As [`Display`](fmt::Display).
impl fmt::Debug for PoolReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error of a rejected task, with the task.
pub struct SubmitError<T> {
    /// The rejected task.
    pub task: T,
    /// The reason.
    pub reason: RejectReason,
}

/// The reason why a pool rejected a task.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectReason {
    /// The queue is full.
    Full,
    /// The pool was shut down.
    Closed,
    /// This process is a forked child, and the pool's threads are in its parent.
    Forked,
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RejectReason::Full => "the queue is full",
            RejectReason::Closed => "the pool was shut down",
            RejectReason::Forked => {
                "the pool's threads are in the process that this one was forked from"
            }
        })
    }
}

/// As [`Display`](fmt::Display).
impl fmt::Debug for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As [`Display`](fmt::Display), for a task of any type.
impl<T> fmt::Debug for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> fmt::Display for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task was rejected: {}", self.reason)
    }
}

impl<T> Error for SubmitError<T> {}

use std::error::Error;
use std::fmt;

/// What happens to tasks that wait when a pool is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownMode {
    /// They are run, until the deadline.
    Drain,
    /// They are dropped, and counted.
    Abandon,
}

/// What became of the tasks of a pool.
///
/// `submitted = completed + panicked + abandoned + running + queued`, at every instant.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolReport {
    /// Tasks taken in.
    pub submitted: u64,
    /// Tasks given back: no room, or closed.
    pub rejected: u64,
    /// Tasks that ran to their end.
    pub completed: u64,
    /// Tasks that panicked. The panic went no further.
    pub panicked: u64,
    /// Tasks dropped before they ran, or (async ones) before their end.
    pub abandoned: u64,
    /// Tasks that run now. After a shutdown: that have not heeded the deadline.
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
            "{submitted} tasks taken: {completed} completed, {panicked} panicked, \
             {abandoned} abandoned, {running} running, {queued} queued; {rejected} not taken"
        )
    }
}

/// As [`Display`](fmt::Display).
impl fmt::Debug for PoolReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A task that was not taken, given back.
pub struct SubmitError<T> {
    /// The task.
    pub task: T,
    /// Why.
    pub reason: RejectReason,
}

/// Why a task was not taken.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectReason {
    /// As many as may wait do.
    Full,
    /// The pool was shut down.
    Closed,
    /// This process was forked from the one that has the pool's threads.
    Forked,
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RejectReason::Full => "as many tasks wait as may",
            RejectReason::Closed => "the pool was shut down",
            RejectReason::Forked => {
                "the pool's threads are in the process this one was forked from"
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

/// As [`Display`](fmt::Display), whatever the task is.
impl<T> fmt::Debug for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> fmt::Display for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task was not taken: {}", self.reason)
    }
}

impl<T> Error for SubmitError<T> {}

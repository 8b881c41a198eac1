use std::error::Error;
use std::fmt;

/// What happens to tasks that wait when a pool is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// They are run, until the deadline.
    Drain,
    /// They are dropped, and counted.
    Abandon,
}

/// What became of the tasks of a pool.
///
/// `submitted = completed + panicked + abandoned + running + queued`, at every instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
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

impl Report {
    /// Whether no task was lost and none is left.
    pub fn is_clean(&self) -> bool {
        self.panicked == 0 && self.abandoned == 0 && self.running == 0 && self.queued == 0
    }
}

/// A task that was not taken, given back.
pub struct Rejected<T> {
    /// The task.
    pub task: T,
    /// Why.
    pub reason: Reason,
}

/// Why a task was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// As many as may wait do.
    Full,
    /// The pool was shut down.
    Closed,
    /// This process was forked from the one that has the pool's threads.
    Forked,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Full => "as many tasks wait as may",
            Reason::Closed => "the pool was shut down",
            Reason::Forked => "the pool's threads are in the process this one was forked from",
        })
    }
}

/// Whatever the task is.
impl<T> fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task was not taken: {}", self.reason)
    }
}

impl<T> Error for Rejected<T> {}

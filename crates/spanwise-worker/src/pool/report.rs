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
#[derive(Debug)]
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
}

//! The cells of the matrix: a context of the call, a collector and a deadline.

use std::fmt;
use std::time::Duration;

/// The context in which a program calls shutdown.
///
/// Eight, each with its own way to fail a library that needs more than its own thread:
///
/// - `NoRuntime`: a program without async. There is no runtime to borrow.
/// - `BlockOn`: inside `block_on` of a current-thread runtime. The call blocks the only thread that could
///   drive the program's futures, timers and sockets.
/// - `Task`: in a task of a multi-thread runtime with a single worker. The same for a worker thread, where
///   a second `block_on` panics.
/// - `SpawnBlocking`: where tokio recommends calls that block. `Handle::current` works, and the runtime's
///   own shutdown waits for this thread.
/// - `MainEnd`: the drop of the guard at the end of `main`, sync or async. The process ends after it, so
///   nothing can complete later.
/// - `Panic`: in the panic hook, or in a destructor while the stack unwinds. A second panic would abort.
/// - `RuntimeDropped`: the spans are from tasks of a runtime that no longer exists. A timer, a socket or a
///   task that had been created on it would never complete.
/// - `Exit`: in a thread-local destructor, or in a handler of `atexit`. Other thread-local variables are
///   destroyed, or `main` has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallContext {
    NoRuntime,
    BlockOn,
    Task,
    SpawnBlocking,
    MainEnd,
    Panic,
    RuntimeDropped,
    Exit,
}

/// The behaviour of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Accepts every request at once.
    Up,
    /// No socket listens: connections are refused.
    Down,
    /// Accepts every request, and answers late.
    Slow,
    /// Reads requests and never answers.
    Hung,
    /// Answers 503, 429 with a `Retry-After` of an hour, or 400, in turns.
    Refusing,
    /// Resets the connection within the request, or within the response.
    Dying,
    /// Answers with bytes that are no HTTP.
    Garbage,
}

/// One cell of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) context: CallContext,
    pub(super) behaviour: Behaviour,
    pub(super) deadline: Duration,
}

impl CallContext {
    pub(super) const ALL: [Self; 8] = [
        Self::NoRuntime,
        Self::BlockOn,
        Self::Task,
        Self::SpawnBlocking,
        Self::MainEnd,
        Self::Panic,
        Self::RuntimeDropped,
        Self::Exit,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoRuntime => "no-runtime",
            Self::BlockOn => "block-on",
            Self::Task => "task",
            Self::SpawnBlocking => "spawn-blocking",
            Self::MainEnd => "main-end",
            Self::Panic => "panic",
            Self::RuntimeDropped => "runtime-dropped",
            Self::Exit => "exit",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|context| context.name() == name)
    }
}

impl Behaviour {
    pub(super) const ALL: [Self; 7] =
        [Self::Up, Self::Down, Self::Slow, Self::Hung, Self::Refusing, Self::Dying, Self::Garbage];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Slow => "slow",
            Self::Hung => "hung",
            Self::Refusing => "refusing",
            Self::Dying => "dying",
            Self::Garbage => "garbage",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|behaviour| behaviour.name() == name)
    }
}

impl Cell {
    /// All cells, in the order of the report.
    pub(super) fn all() -> Vec<Self> {
        let contexts = CallContext::ALL.into_iter();
        let cells = contexts.flat_map(|context| {
            Behaviour::ALL.into_iter().flat_map(move |behaviour| {
                DEADLINES.into_iter().map(move |deadline| Self { context, behaviour, deadline })
            })
        });
        cells.collect()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, behaviour, deadline } = self;
        write!(f, "{}/{}/{deadline:?}", context.name(), behaviour.name())
    }
}

/// The deadlines of the calls.
pub(super) const DEADLINES: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_secs(5)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_names_of_their_own() {
        let cells = Cell::all();
        assert_eq!(cells.len(), 8 * 7 * 3);
        let names: std::collections::BTreeSet<_> = cells.iter().map(Cell::to_string).collect();
        assert_eq!(names.len(), cells.len());
        for cell in cells {
            assert_eq!(CallContext::named(cell.context.name()), Some(cell.context));
            assert_eq!(Behaviour::named(cell.behaviour.name()), Some(cell.behaviour));
        }
    }
}

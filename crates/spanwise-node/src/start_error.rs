//! The errors of a start and of a reload.

use std::fmt;
use std::io;

/// A node cannot start. `Display` is one line that names the fix. Nothing is left running.
#[derive(Clone, PartialEq, Eq)]
pub struct StartError {
    /// The kind of mistake, which determines the exit status.
    pub kind: ExitKind,
    message: String,
}

/// The kinds of ends of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitKind {
    /// The file or the arguments are not valid: 2.
    Settings,
    /// An address is in use, not local or not permitted: 3.
    Address,
    /// A key or a certificate is unreadable: 4.
    Key,
    /// A spool is locked, read-only or full: 5.
    Spool,
    /// Everything else: 1.
    Other,
}

/// The settings of a reload have no effect: the node goes on with those before. `Display` has all problems in one line.
#[derive(Clone, PartialEq, Eq)]
pub struct ReloadError {
    problems: Vec<ReloadProblem>,
}

/// A reason why the settings of a reload have no effect. `Display` is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReloadProblem {
    /// A key has another value that only a restart applies.
    NeedsRestart {
        /// The key, as in a file of our own.
        key: String,
    },
    /// A setting is not valid.
    NotValid(StartError),
}

impl ReloadError {
    pub(crate) fn new(problems: Vec<ReloadProblem>) -> Self {
        Self { problems }
    }

    /// All problems, at least one.
    pub fn problems(&self) -> &[ReloadProblem] {
        &self.problems
    }
}

impl StartError {
    /// An error of this kind; `message` is one line that names the fix.
    pub fn new(kind: ExitKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The error of an operation of the system.
    pub(crate) fn io(operation: &str, error: &io::Error) -> Self {
        Self::new(ExitKind::Other, format!("cannot {operation}: {error}"))
    }
}

impl ExitKind {
    /// The exit status of the process.
    pub const fn code(self) -> u8 {
        match self {
            Self::Settings => 2,
            Self::Address => 3,
            Self::Key => 4,
            Self::Spool => 5,
            Self::Other => 1,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ReloadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsRestart { key } => {
                write!(f, "{key} has changed: restart the node to apply it")
            }
            Self::NotValid(error) => error.fmt(f),
        }
    }
}

/// As `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StartError {}
impl std::error::Error for ReloadError {}

//! The account of the disk behind a destination.

/// The disk behind a destination. Its spans are in the ledger of the destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolAccount {
    /// Whether it stores.
    pub state: SpoolState,
    /// Bytes of its files; while it does not store, the last ones that are known.
    pub bytes: u64,
    /// The most bytes of its files: beyond them, the oldest spans are lost.
    pub limit_bytes: u64,
    /// The failure for which it does not store.
    pub problem: Option<String>,
}

/// Whether a disk stores requests. While it does not, they wait in memory, and the destination is tried again with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpoolState {
    /// Its directory is being read.
    #[default]
    Opening,
    /// It stores.
    Up,
    /// Its last operation failed, or its directory could not be read in time. It is tried again.
    Failing,
    /// Its directory cannot be used, or its thread has ended: it is not tried again before a restart.
    Ended,
}

impl SpoolAccount {
    /// The failure for which it does not store.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

impl SpoolState {
    /// The name in the account as JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Up => "up",
            Self::Failing => "failing",
            Self::Ended => "ended",
        }
    }
}

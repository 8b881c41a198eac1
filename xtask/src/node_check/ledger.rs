//! The file from which a node reports, after it was killed, what it had in memory.

use crate::peers::wait_until;
use spanwise_spool::boot_ledger::{FILE_NAME, PreviousRun, SpanCounts};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The last numbers that a process wrote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) at: SystemTime,
    pub(super) counts: SpanCounts,
}

/// Reads the file of a directory.
///
/// # Errors
/// There is none of a process that runs or was killed.
pub(super) fn read(directory: &Path) -> Result<Written, String> {
    let path = directory.join(FILE_NAME);
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    match PreviousRun::from_bytes(&bytes) {
        PreviousRun::Crashed(crash) => {
            Ok(Written { at: crash.written_at(), counts: crash.counts() })
        }
        other => Err(format!("{}: {other:?}", path.display())),
    }
}

/// Waits until the file has numbers as `expected`.
///
/// # Errors
/// It has not in time.
pub(super) fn wait_for(
    directory: &Path,
    expected: impl Fn(&SpanCounts) -> bool,
) -> Result<(), String> {
    let mut last = Err("it was not read".to_owned());
    let is_reached = wait_until(PATIENCE, || {
        // A write may be half done at this moment.
        last = read(directory);
        last.as_ref().is_ok_and(|written| expected(&written.counts))
    });
    if is_reached { Ok(()) } else { Err(format!("{}: {last:?}", directory.display())) }
}

const PATIENCE: Duration = Duration::from_secs(30);

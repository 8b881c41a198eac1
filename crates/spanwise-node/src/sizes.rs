//! The resources of the container or the machine.

use std::fs;
use std::thread;

/// Bytes of memory that the process may use; `None` if the system does not state it.
pub(crate) fn memory_bytes() -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib = line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?;
    kib.checked_mul(1 << 10)
}

/// The processors that the process may use, by its affinity and its control group.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

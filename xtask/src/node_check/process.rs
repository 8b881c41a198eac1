//! The processor time and the memory of another process.

use std::fs;
use std::time::Duration;

/// The resources that a process has used since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Used {
    pub(super) cpu: Duration,
    /// The most resident bytes at one time.
    pub(super) peak_bytes: u64,
    /// Resident bytes now.
    pub(super) bytes: u64,
}

/// Reads it from `/proc`.
///
/// # Errors
/// The process has ended, or the system has no `/proc`.
pub(super) fn used(id: u32) -> Result<Used, String> {
    let read = |name: &str| {
        let path = format!("/proc/{id}/{name}");
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    };
    // Threads that ended count as well. The name in parentheses may have spaces.
    let stat = read("stat")?;
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let ticks = ticks(11).zip(ticks(12)).ok_or("/proc has no times")?;
    // SAFETY: reads a constant of the system.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let status = read("status")?;
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Ok(Used {
        cpu: Duration::from_secs_f64((ticks.0 + ticks.1) as f64 / per_second as f64),
        peak_bytes: 1024 * kib("VmHWM:").ok_or("/proc has no peak")?,
        bytes: 1024 * kib("VmRSS:").ok_or("/proc has no resident memory")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let used = used(std::process::id()).unwrap();
        assert!(used.bytes > 0 && used.peak_bytes >= used.bytes, "{used:?}");
        assert!(used.cpu < Duration::from_secs(3_600));
    }
}

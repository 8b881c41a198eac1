//! Resources of the process: processor time and resident memory.

use std::time::Duration;

/// Processor time of all threads, user and system.
#[derive(Clone, Copy)]
pub(crate) struct Cpu(Duration);

impl Cpu {
    pub(crate) fn now() -> Self {
        // SAFETY: `rusage` is plain integers, for which all zeros is a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `usage` is ours to write; RUSAGE_SELF is a valid target.
        unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
        let time = |t: libc::timeval| {
            Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64)
        };
        Self(time(usage.ru_utime) + time(usage.ru_stime))
    }

    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// Resident memory now, in bytes; 0 where the system does not report it.
pub(super) fn rss_bytes() -> u64 {
    status_kib("VmRSS:") * 1024
}

/// The most resident memory so far, in bytes; 0 where the system does not report it.
pub(crate) fn peak_rss_bytes() -> u64 {
    status_kib("VmHWM:") * 1024
}

fn status_kib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

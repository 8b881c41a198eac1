//! The processor time and the memory of the process.

/// Processor time of all threads since the start, in nanoseconds.
pub(crate) fn cpu_nanos() -> u64 {
    nanos(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Processor time of the calling thread since its start, in nanoseconds.
pub(crate) fn thread_cpu_nanos() -> u64 {
    nanos(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn nanos(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to write; both clocks exist wherever this builds.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The most resident memory so far, in bytes; 0 if the system does not report it.
pub(crate) fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: Option<u64> = line.split_whitespace().next().and_then(|kib| kib.parse().ok());
    kib.unwrap_or(0) * 1024
}

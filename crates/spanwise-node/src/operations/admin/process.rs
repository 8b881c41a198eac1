//! The processor time and the memory of the process.

/// Numbers of the kernel about this process; `None` on systems without `/proc`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Process {
    /// The resident set, in bytes.
    pub(super) resident_bytes: u64,
    /// User and system time, in seconds.
    pub(super) cpu_seconds: f64,
}

impl Process {
    /// # Cost
    /// Two small files of `/proc` are read.
    pub(super) fn read() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        Self::parse(&status, &stat)
    }

    fn parse(status: &str, stat: &str) -> Option<Self> {
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        // The name of the process may have spaces and parentheses; user and system time are the fields 14 and 15 (proc(5)).
        let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        let ticks = ticks()?.checked_add(ticks()?)?;
        Some(Self {
            resident_bytes: kib.checked_mul(1 << 10)?,
            cpu_seconds: ticks as f64 / TICKS_PER_SECOND,
        })
    }
}

/// `USER_HZ` of Linux, on every usual architecture.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn the_files_of_the_kernel() {
        let status = "Name:\tx\nVmHWM:\t   9999 kB\nVmRSS:\t   2048 kB\n";
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 1 2";
        let expected = Process { resident_bytes: 2 << 20, cpu_seconds: 3.0 };
        assert_eq!(Process::parse(status, stat), Some(expected));
        for (status, stat) in
            [("", stat), (status, ""), (status, "42 (a) S 1"), ("VmRSS: x kB", stat)]
        {
            assert_eq!(Process::parse(status, stat), None);
        }
        assert_eq!(Process::read().is_some(), cfg!(target_os = "linux"));
    }
}

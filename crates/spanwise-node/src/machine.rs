//! The resources of the container or the machine.

use spanwise_worker::cgroup;
use std::fs;
use std::thread;

/// Bytes of memory that the process may use: the limit of its control group, or that of the machine if it is less; `None` if the system
/// states neither.
pub(crate) fn memory_bytes() -> Option<usize> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| of_machine(&text));
    let group = cgroup::limits().memory_bytes.and_then(|bytes| usize::try_from(bytes).ok());
    [machine, group].into_iter().flatten().min()
}

/// The processors that the process may use, by its affinity and its control group; a part of one counts as one.
pub(crate) fn cores() -> usize {
    let machine = thread::available_parallelism().map_or(1, usize::from);
    // A float that is out of range becomes the nearest number.
    let group = cgroup::limits().cpus.map_or(usize::MAX, |cpus| cpus.ceil() as usize);
    machine.min(group).max(1)
}

/// `MemTotal` of `/proc/meminfo`.
fn of_machine(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib = line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?;
    kib.checked_mul(1 << 10)
}

#[cfg(test)]
mod tests {
    use super::{cores, memory_bytes, of_machine};

    #[test]
    fn the_memory_of_the_machine() {
        assert_eq!(of_machine("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2 << 20));
        for other in ["", "MemTotal:", "MemTotal: 5 MB", "MemTotal: 99999999999999999999 kB"] {
            assert_eq!(of_machine(other), None);
        }
    }

    #[test]
    fn a_process_has_a_core_and_memory() {
        assert!(cores() >= 1);
        assert!(memory_bytes().is_none_or(|bytes| bytes > 0));
    }
}

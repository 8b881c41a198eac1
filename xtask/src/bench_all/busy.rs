//! The processor time of the machine and of this process with its children, by Linux.

use std::fs::read_to_string;

/// Seconds of processor time since the start of the machine, and since our own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Busy {
    /// Of all processors: everything but idle time.
    pub(super) machine: f64,
    /// Of this process and of its children that ended.
    pub(super) own: f64,
}

impl Busy {
    /// The two counts of now; `None` if one of them cannot be read.
    pub(super) fn now() -> Option<Self> {
        let machine = machine_ticks(&read_to_string("/proc/stat").ok()?)? / ticks_per_second()?;
        Some(Self { machine, own: own_seconds()? })
    }
}

/// The sum of the first line of `/proc/stat`: user, nice, system, irq, softirq and steal. Time of guests
/// is part of user and nice.
fn machine_ticks(stat: &str) -> Option<f64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = *ticks.as_slice() else {
        return None;
    };
    Some(user + nice + system + irq + softirq + steal)
}

/// Precise, where the fields of `/proc/self/stat` are rounded to ticks.
fn own_seconds() -> Option<f64> {
    let of = |who| {
        // SAFETY: `usage` is ours to write, and zero is a valid value of all its numbers.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::getrusage(who, &mut usage) == 0).then_some(usage)?
        };
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        Some(seconds(usage.ru_utime) + seconds(usage.ru_stime))
    };
    Some(of(libc::RUSAGE_SELF)? + of(libc::RUSAGE_CHILDREN)?)
}

fn ticks_per_second() -> Option<f64> {
    // SAFETY: reads a constant of the system.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    (ticks > 0).then_some(ticks as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_time_is_not_busy() {
        let stat = "cpu  1 20 300 9999 9999 4000 50000 600000 7 7\ncpu0 1 2 3\n";
        assert_eq!(machine_ticks(stat), Some(654_321.0));
        assert_eq!(machine_ticks("cpu  1 2 3\n"), None);
        assert_eq!(machine_ticks("intr 1\n"), None);
    }

    #[test]
    fn time_of_a_child_counts_once_it_has_ended() {
        let before = own_seconds().unwrap();
        let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        let mut child = std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
        assert!(child.wait().unwrap().success());
        assert!(own_seconds().unwrap() > before);
    }
}

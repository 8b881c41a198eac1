//! A control group with limits, and what the kernel counts in it.

use super::hierarchy::Hierarchies;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A control group, which is removed when this is dropped.
pub(super) struct ControlGroup {
    folders: Vec<PathBuf>,
    version: Version,
}

#[derive(Debug, Clone, Copy)]
enum Version {
    One,
    Two,
}

/// The kernel's counts of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Usage {
    /// The most memory, cached files included, in bytes; `None` where the kernel does not count it.
    pub(super) peak_bytes: Option<u64>,
    /// Processes that the kernel ended for want of memory.
    pub(super) kills: u64,
    /// Periods in which the group ran, and those of them in which it used up its share.
    pub(super) periods: u64,
    pub(super) throttled: u64,
}

impl ControlGroup {
    /// Makes a group with these limits.
    ///
    /// # Errors
    /// The kernel refuses a folder or a limit.
    pub(super) fn create(parents: &Hierarchies, bytes: u64, cpus: f64) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let name = format!("spanwise-container-{}-{number}", std::process::id());
        let (version, mut parents) = match parents {
            Hierarchies::One { memory, cpu } => (Version::One, vec![memory, cpu]),
            Hierarchies::Two { group } => (Version::Two, vec![group]),
        };
        parents.dedup();
        let mut group = Self { folders: Vec::new(), version };
        for parent in parents {
            let folder = parent.join(&name);
            fs::create_dir(&folder).map_err(|error| failed(&folder, &error))?;
            group.folders.push(folder);
        }
        group.limit(bytes, cpus)?;
        Ok(group)
    }

    fn limit(&self, bytes: u64, cpus: f64) -> Result<(), String> {
        let (bytes, quota) = (bytes.to_string(), (cpus * PERIOD_MICROS as f64) as u64);
        match self.version {
            Version::One => {
                self.write("memory.limit_in_bytes", &bytes)?;
                // Without a limit of both together, a group swaps instead of being short of memory.
                self.write_if_present("memory.memsw.limit_in_bytes", &bytes)?;
                self.write("cpu.cfs_period_us", &PERIOD_MICROS.to_string())?;
                self.write("cpu.cfs_quota_us", &quota.to_string())?;
                // Sixteen times the usual share: the quota limits the group, and not other load of the machine.
                self.write_if_present("cpu.shares", "16384")
            }
            Version::Two => {
                self.write("memory.max", &bytes)?;
                self.write_if_present("memory.swap.max", "0")?;
                self.write("cpu.max", &format!("{quota} {PERIOD_MICROS}"))?;
                self.write_if_present("cpu.weight", "1600")
            }
        }
    }

    /// A command that runs the program in this group from its first instruction.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        // The shell enters the group and becomes the program.
        let script = "until [ \"$1\" = -- ]; do echo $$ > \"$1/cgroup.procs\" || exit 1; shift; done; shift; exec \"$@\"";
        command.args(["-c", script, "sh"]).args(&self.folders).arg("--").arg(program);
        command
    }

    /// The counts so far.
    ///
    /// # Errors
    /// A file of the group cannot be read.
    pub(super) fn usage(&self) -> Result<Usage, String> {
        let cpu = self.read("cpu.stat")?;
        let counts = |text: &str, name: &str| count(text, name).unwrap_or_default();
        let (peak, events) = match self.version {
            Version::One => ("memory.max_usage_in_bytes", "memory.oom_control"),
            Version::Two => ("memory.peak", "memory.events"),
        };
        Ok(Usage {
            // Version 2 counts it since Linux 5.19.
            peak_bytes: self.read(peak).ok().and_then(|text| text.trim().parse().ok()),
            kills: counts(&self.read(events)?, "oom_kill"),
            periods: counts(&cpu, "nr_periods"),
            throttled: counts(&cpu, "nr_throttled"),
        })
    }

    /// Removes the group.
    ///
    /// # Errors
    /// A process is still in it.
    pub(super) fn remove(mut self) -> Result<(), String> {
        self.remove_folders()
    }

    fn remove_folders(&mut self) -> Result<(), String> {
        // The kernel takes a process out of its group some time after its end.
        let due = Instant::now() + Duration::from_secs(5);
        while let Some(folder) = self.folders.last() {
            match fs::remove_dir(folder) {
                Ok(()) => drop(self.folders.pop()),
                Err(error) if Instant::now() > due => return Err(failed(folder, &error)),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        Ok(())
    }

    /// The file in the folder that has it: version 1 has one for each controller.
    fn path(&self, name: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(name)).find(|path| path.exists())
    }

    fn existing(&self, name: &str) -> Result<PathBuf, String> {
        self.path(name).ok_or_else(|| format!("the control group has no {name}"))
    }

    fn write(&self, name: &str, value: &str) -> Result<(), String> {
        let path = self.existing(name)?;
        fs::write(&path, value).map_err(|error| failed(&path, &error))
    }

    fn write_if_present(&self, name: &str, value: &str) -> Result<(), String> {
        if self.path(name).is_some() { self.write(name, value) } else { Ok(()) }
    }

    fn read(&self, name: &str) -> Result<String, String> {
        let path = self.existing(name)?;
        fs::read_to_string(&path).map_err(|error| failed(&path, &error))
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let _error_of_an_error = self.remove_folders();
    }
}

/// The number after `name` in lines of names and numbers.
fn count(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// The kernel's usual period of processor shares.
const PERIOD_MICROS: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Folders with these files in place of the kernel's, and the limits that were written to them.
    fn check(version: Version, files: &[(&str, &str)], limits: &[(&str, &str)], expected: &Usage) {
        let folder = format!("spanwise-group-{version:?}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        for (name, content) in limits
            .iter()
            .map(|(name, _)| (name, &""))
            .chain(files.iter().map(|(name, it)| (name, it)))
        {
            fs::write(folder.join(name), content).unwrap();
        }
        let group = ControlGroup { folders: vec![folder.clone()], version };
        group.limit(64 << 20, 0.5).unwrap();
        for (name, value) in limits {
            assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), *value, "{name}");
        }
        assert_eq!(group.usage().unwrap(), *expected);
        fs::remove_dir_all(&folder).unwrap();
        // The folder is removed; nothing is left to the group.
        std::mem::forget(group);
    }

    #[test]
    fn limits_and_counts_of_version_1() {
        let files = [
            ("memory.max_usage_in_bytes", "1234\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            ("cpu.stat", "nr_periods 100\nnr_throttled 97\nthrottled_time 5000000\n"),
        ];
        let limits = [
            ("memory.limit_in_bytes", "67108864"),
            ("memory.memsw.limit_in_bytes", "67108864"),
            ("cpu.cfs_period_us", "100000"),
            ("cpu.cfs_quota_us", "50000"),
            ("cpu.shares", "16384"),
        ];
        let usage = Usage { peak_bytes: Some(1234), kills: 3, periods: 100, throttled: 97 };
        check(Version::One, &files, &limits, &usage);
    }

    #[test]
    fn limits_and_counts_of_version_2() {
        let files = [
            ("memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 0\n"),
            ("cpu.stat", "usage_usec 9\nnr_periods 10\nnr_throttled 8\nthrottled_usec 4\n"),
        ];
        let limits = [
            ("memory.max", "67108864"),
            ("memory.swap.max", "0"),
            ("cpu.max", "50000 100000"),
            ("cpu.weight", "1600"),
        ];
        let usage = Usage { peak_bytes: None, kills: 2, periods: 10, throttled: 8 };
        check(Version::Two, &files, &limits, &usage);
    }
}

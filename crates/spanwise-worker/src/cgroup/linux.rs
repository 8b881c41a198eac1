//! The limits of a control group, in both versions of the kernel's interface.

use super::hierarchy::{Hierarchy, Version};
use super::limits::Limits;
use super::mounts;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The limits of this process.
pub(super) fn limits() -> Limits {
    limits_below(Path::new("/"))
}

/// The limits of this process with the files below `root`. A file that is missing, too large or not of its
/// format counts as no limit.
fn limits_below(root: &Path) -> Limits {
    let read = |path: &str, max| read(&root.join(path), max);
    let groups = read("proc/self/cgroup", MAX_GROUPS_BYTES).unwrap_or_default();
    let mounts = read("proc/self/mountinfo", MAX_MOUNTS_BYTES).unwrap_or_default();
    let hierarchies = mounts::hierarchies(&mounts, &groups);
    // A hybrid system has some controllers in one version and the others in the second.
    hierarchies
        .iter()
        .fold(Limits::default(), |limits, hierarchy| limits.min(limits_of(root, hierarchy)))
}

/// The smallest limits from the process's group up to the mount.
fn limits_of(root: &Path, hierarchy: &Hierarchy) -> Limits {
    let levels = hierarchy.levels().take(MAX_LEVELS);
    levels.fold(Limits::default(), |limits, level| {
        let directory = root.join(level.trim_start_matches('/'));
        limits.min(match hierarchy.version {
            Version::Two => limits_v2(&directory),
            Version::One => limits_v1(&directory),
        })
    })
}

fn limits_v2(directory: &Path) -> Limits {
    let text = |file: &str| read(&directory.join(file), MAX_VALUE_BYTES);
    let cpu = text("cpu.max").and_then(|text| {
        let (quota, period) = text.trim().split_once(' ')?;
        cpus(number(quota)?, number(period)?)
    });
    Limits { memory_bytes: text("memory.max").as_deref().and_then(bytes), cpus: cpu }
}

fn limits_v1(directory: &Path) -> Limits {
    let text = |file: &str| read(&directory.join(file), MAX_VALUE_BYTES);
    // A quota of -1 is no limit.
    let quota = text("cpu.cfs_quota_us").as_deref().and_then(number);
    let cpu = quota.and_then(|quota| cpus(quota, number(&text("cpu.cfs_period_us")?)?));
    Limits { memory_bytes: text("memory.limit_in_bytes").as_deref().and_then(bytes), cpus: cpu }
}

/// Bytes of memory. `max`, and in version 1 a number beyond all memory, are no limit; 0 leaves no process.
fn bytes(text: &str) -> Option<u64> {
    number(text).filter(|bytes| (1..UNLIMITED).contains(bytes))
}

fn cpus(quota: u64, period: u64) -> Option<f64> {
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The first `max` bytes of a file.
fn read(path: &Path, max: u64) -> Option<String> {
    // The check precedes the open, because opening a pipe waits for a writer.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    File::open(path).ok()?.take(max).read_to_end(&mut content).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

/// A group is seldom deeper than ten levels; more of them would delay the start.
const MAX_LEVELS: usize = 32;
/// The kernel's value of no limit in version 1 is 2^63 less a page.
const UNLIMITED: u64 = 1 << 60;
const MAX_VALUE_BYTES: u64 = 4 << 10;
const MAX_GROUPS_BYTES: u64 = 64 << 10;
const MAX_MOUNTS_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests;

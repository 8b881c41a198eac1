//! Control groups of both versions, as trees of files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
use super::{Limits, limits, limits_below};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A root with these files, which is removed at the end of its test.
struct Tree(PathBuf);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("spanwise-cgroup-{}-{number}", std::process::id());
        let tree = Self(std::env::temp_dir().join(name));
        for (path, content) in files {
            tree.write(path, content.as_bytes());
        }
        tree
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn check(files: &[(&str, &str)], memory_bytes: Option<u64>, cpus: Option<f64>) {
    let tree = Tree::new(files);
    assert_eq!(limits_below(&tree.0), Limits { memory_bytes, cpus }, "{files:?}");
}

const GROUP: &str = "proc/self/cgroup";
const MOUNTS: &str = "proc/self/mountinfo";
const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
/// The mounts of version 1 in a container whose namespace is the host's.
const V1: &str = "\
31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs rw,mode=755
32 31 0:29 /docker/f00 /sys/fs/cgroup/cpu,cpuacct ro master:9 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 /docker/f00 /sys/fs/cgroup/memory ro master:10 - cgroup cgroup rw,memory
34 31 0:31 /docker/f00 /sys/fs/cgroup/pids ro master:11 - cgroup cgroup rw,pids
";
const V1_GROUPS: &str = "9:pids:/docker/f00\n4:cpu,cpuacct:/docker/f00\n3:memory:/docker/f00\n";

#[test]
fn version_2() {
    let tree = [(GROUP, "0::/\n"), (MOUNTS, V2)];
    let with = |memory, cpu| {
        let files = [("sys/fs/cgroup/memory.max", memory), ("sys/fs/cgroup/cpu.max", cpu)];
        [tree.as_slice(), &files].concat()
    };
    check(&with("67108864\n", "50000 100000\n"), Some(64 << 20), Some(0.5));
    check(&with("67108864", "200000 100000"), Some(64 << 20), Some(2.0));
    check(&with("max\n", "max 100000\n"), None, None);
    for garbage in
        ["", "\n", "-1", "lots", "0", "1e9", "99999999999999999999999", "\u{fffd}", "12 x"]
    {
        check(&with(garbage, garbage), None, None);
    }
    check(&with("1", "1 0"), Some(1), None);
}

#[test]
fn version_1() {
    let tree = [(GROUP, V1_GROUPS), (MOUNTS, V1)];
    let with = |memory, quota, period| {
        let files = [
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", memory),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", quota),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", period),
        ];
        [tree.as_slice(), &files].concat()
    };
    check(&with("134217728\n", "150000\n", "100000\n"), Some(128 << 20), Some(1.5));
    check(&with("9223372036854771712\n", "-1\n", "100000\n"), None, None);
    check(&with("x", "y", "z"), None, None);
    check(&with("134217728", "150000", "0"), Some(128 << 20), None);
}

#[test]
fn the_smallest_limit_on_the_way_up_counts() {
    let files = [
        (GROUP, "0::/pods/shop/app\n"),
        (MOUNTS, V2),
        ("sys/fs/cgroup/pods/shop/app/memory.max", "max\n"),
        ("sys/fs/cgroup/pods/shop/app/cpu.max", "400000 100000\n"),
        ("sys/fs/cgroup/pods/shop/memory.max", "1073741824\n"),
        ("sys/fs/cgroup/pods/shop/cpu.max", "25000 100000\n"),
        ("sys/fs/cgroup/pods/memory.max", "268435456\n"),
    ];
    check(&files, Some(256 << 20), Some(0.25));
    // The parent's limits do not apply to another group.
    let other = [&files[1..], &[(GROUP, "0::/other\n")]].concat();
    check(&other, None, None);
    // Deeper than any group: the levels that are read have a bound.
    let deep = format!("0::{}\n", "/d".repeat(10_000));
    check(&[(GROUP, &deep), (MOUNTS, V2)], None, None);
}

#[test]
fn a_hybrid_system_has_controllers_in_both_versions() {
    let mounts = format!("{V1}40 31 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    let groups = format!("{V1_GROUPS}0::/system.slice/shop.service\n");
    let files = [
        (GROUP, &*groups),
        (MOUNTS, &mounts),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728"),
        ("sys/fs/cgroup/unified/system.slice/memory.max", "67108864"),
        ("sys/fs/cgroup/unified/system.slice/shop.service/cpu.max", "100000 100000"),
    ];
    check(&files, Some(64 << 20), Some(1.0));
}

#[test]
fn a_mount_point_may_have_spaces_and_be_elsewhere() {
    let mounts = "1 2 0:1 / /my\\040groups rw - cgroup2 none rw\n";
    check(
        &[(GROUP, "0::/a"), (MOUNTS, mounts), ("my groups/a/memory.max", "4096")],
        Some(4096),
        None,
    );
}

#[test]
fn missing_and_broken_files_are_no_limit() {
    check(&[], None, None);
    check(&[(GROUP, "0::/\n")], None, None);
    check(&[(MOUNTS, V2), ("sys/fs/cgroup/memory.max", "4096")], Some(4096), None);
    check(&[(GROUP, "\u{0}::\n0:"), (MOUNTS, V2)], None, None);
    check(&[(GROUP, "0::/../../etc\n"), (MOUNTS, V2), ("etc/memory.max", "4096")], None, None);
    // Directories where files should be.
    check(&[("proc/self/cgroup/x", ""), ("proc/self/mountinfo/x", "")], None, None);
    check(&[(GROUP, "0::/"), (MOUNTS, V2), ("sys/fs/cgroup/memory.max/x", "")], None, None);
}

#[test]
fn huge_files_are_read_up_to_a_bound() {
    let tree = Tree::new(&[(GROUP, "0::/\n"), ("sys/fs/cgroup/cpu.max", "50000 100000")]);
    let mut mounts = V2.as_bytes().to_vec();
    mounts.resize(8 << 20, b'\xff');
    tree.write(MOUNTS, &mounts);
    let mut memory = b"4096\n".to_vec();
    memory.resize(1 << 20, b' ');
    tree.write("sys/fs/cgroup/memory.max", &memory);
    let limits = limits_below(&tree.0);
    assert_eq!(limits, Limits { memory_bytes: Some(4096), cpus: Some(0.5) });
}

/// The limits of the machine that runs the test are not known, but they are read at once.
#[test]
fn the_own_limits_are_read_in_a_millisecond() {
    let fastest = (0..20).map(|_| {
        let start = Instant::now();
        let limits = limits();
        assert!(limits.memory_bytes.is_none_or(|bytes| bytes > 0));
        assert!(limits.cpus.is_none_or(|cpus| cpus > 0.0));
        start.elapsed()
    });
    assert!(fastest.min().unwrap() < Duration::from_millis(1));
}

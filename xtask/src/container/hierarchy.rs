//! The mounted hierarchies, and the groups below which a new one can limit memory and processors.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The groups below which a group is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hierarchies {
    /// Version 1: a hierarchy for memory and one for processors, which may be the same.
    One { memory: PathBuf, cpu: PathBuf },
    /// Version 2: one hierarchy for both.
    Two { group: PathBuf },
}

impl Hierarchies {
    /// The hierarchies of this process, of the mounts in `root`: below its own groups, whose limits stay in force.
    ///
    /// # Errors
    /// The system has no control groups for memory and processors, or this process may not make one.
    pub(super) fn find(root: &Path) -> Result<Self, String> {
        let read = |path: &str| {
            let path = root.join(path);
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let (mounts, groups) = (read("proc/self/mountinfo")?, read("proc/self/cgroup")?);
        let own_group = |controller: &str| {
            let is_own = |names: &str| names.split(',').any(|name| name == controller);
            groups.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let (names, path) = (fields.next()?, fields.next()?);
                is_own(names).then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let of_version_1 = |controller: &str| {
            let group = own_group(controller)?;
            mounts.lines().filter_map(Mount::parse).find_map(|mount| {
                let options: Vec<&str> = mount.options.split(',').collect();
                let is_of = mount.kind == "cgroup" && options.contains(&controller);
                is_of.then(|| mount.group(root, &group)).flatten()
            })
        };
        if let (Some(memory), Some(cpu)) = (of_version_1("memory"), of_version_1("cpu")) {
            return writable(Self::One { memory, cpu });
        }
        let group = own_group("").ok_or("this process is in no control group")?;
        let mount = mounts.lines().filter_map(Mount::parse).find(|mount| mount.kind == "cgroup2");
        let mount = mount.ok_or("no control group is mounted")?;
        let own = mount.group(root, &group).ok_or("the group of this process is not mounted")?;
        // A group with processes has no controllers for groups below it, so that the group is made beside.
        let point = mount.point(root);
        let is_suitable = |group: &&Path| {
            let controllers = fs::read_to_string(group.join("cgroup.subtree_control"));
            let controllers = controllers.unwrap_or_default();
            ["memory", "cpu"].iter().all(|it| controllers.split_whitespace().any(|has| has == *it))
        };
        let above = own.ancestors().take_while(|group| group.starts_with(&point));
        let suitable = above.into_iter().find(is_suitable);
        let group = suitable.ok_or("no group gives the groups below it memory and processors")?;
        writable(Self::Two { group: group.to_owned() })
    }

    /// The groups of both controllers; the same twice where they have one hierarchy.
    pub(super) fn groups(&self) -> [&Path; 2] {
        match self {
            Self::One { memory, cpu } => [memory, cpu],
            Self::Two { group } => [group, group],
        }
    }
}

impl fmt::Display for Hierarchies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One { memory, cpu } => {
                write!(f, "version 1, {} and {}", memory.display(), cpu.display())
            }
            Self::Two { group } => write!(f, "version 2, {}", group.display()),
        }
    }
}

/// # Errors
/// This process may not make a group.
fn writable(hierarchies: Hierarchies) -> Result<Hierarchies, String> {
    let denied = hierarchies.groups().into_iter().find_map(|group| {
        let probe = group.join(format!("spanwise-probe-{}", std::process::id()));
        let made = fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe));
        made.err().map(|error| format!("{}: {error}; root can make a group", group.display()))
    });
    denied.map_or(Ok(hierarchies), Err)
}

/// The fields of a mount (proc(5), *mountinfo*).
struct Mount<'t> {
    root: &'t str,
    point: &'t str,
    kind: &'t str,
    options: &'t str,
}

impl<'t> Mount<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut system = system.split(' ');
        Some(Self { root, point, kind: system.next()?, options: system.nth(1)? })
    }

    fn point(&self, root: &Path) -> PathBuf {
        root.join(self.point.trim_start_matches('/'))
    }

    /// The folder of a group, if the mount shows it.
    fn group(&self, root: &Path, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(self.root.trim_start_matches('/')).ok()?;
        let folder = self.point(root).join(below);
        folder.is_dir().then_some(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with these files, which is removed at the end of its test.
    fn check(name: &str, files: &[(&str, &str)], expected: Result<&[&str], &str>) {
        let root = std::env::temp_dir().join(format!("spanwise-{name}-{}", std::process::id()));
        for (path, content) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let found = Hierarchies::find(&root);
        fs::remove_dir_all(&root).unwrap();
        match (&found, expected) {
            (Ok(found), Ok(expected)) => {
                let expected: Vec<PathBuf> = expected.iter().map(|it| root.join(it)).collect();
                assert_eq!(found.groups().to_vec(), expected, "{name}");
            }
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            _ => panic!("{name}: {found:?}"),
        }
    }

    #[test]
    fn version_1_has_a_hierarchy_for_each_controller() {
        let mounts = "\
            33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            34 31 0:31 /jobs /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let files = [
            ("proc/self/mountinfo", mounts),
            ("proc/self/cgroup", "4:memory:/a/b\n3:cpu,cpuacct:/jobs/c\n0::/x\n"),
            ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", ""),
            ("sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", ""),
        ];
        check("v1", &files, Ok(&["sys/fs/cgroup/memory/a/b", "sys/fs/cgroup/cpu/c"]));
        check("v1-hidden", &files[..3], Err("the group of this process is not mounted"));
    }

    #[test]
    fn version_2_makes_a_group_where_one_gets_both_controllers() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let own = "sys/fs/cgroup/user/app/cgroup.subtree_control";
        let above = "sys/fs/cgroup/user/cgroup.subtree_control";
        let files = [
            ("proc/self/mountinfo", mounts),
            ("proc/self/cgroup", "0::/user/app\n"),
            (own, "\n"),
            (above, "cpu io memory pids\n"),
        ];
        check("v2", &files, Ok(&["sys/fs/cgroup/user", "sys/fs/cgroup/user"]));
        let without = [files[0], files[1], files[2], (above, "cpu\n")];
        check("v2-without", &without, Err("no group gives"));
    }

    #[test]
    fn a_system_without_control_groups_is_an_error() {
        check("none", &[("proc/self/mountinfo", "")], Err("proc/self/cgroup"));
        let files = [("proc/self/mountinfo", ""), ("proc/self/cgroup", "0::/\n")];
        check("unmounted", &files, Err("no control group is mounted"));
    }
}

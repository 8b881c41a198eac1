//! A hierarchy of control groups: where it is mounted, and the group of the process in it.

/// The version of the kernel's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// The directory of the mount.
    pub(super) mount_point: String,
    /// The path of the process's group below it; empty for the mount itself.
    pub(super) group: String,
}

impl Hierarchy {
    /// `root` is the group that is mounted, and `path` the process's group: both count from the same group.
    pub(super) fn new(version: Version, mount_point: String, root: &str, path: &str) -> Self {
        let below = path.strip_prefix(root.trim_end_matches('/')).filter(|below| {
            // A group outside of the namespace has a path with `..`, and none of the files is its own.
            (below.is_empty() || below.starts_with('/')) && !below.split('/').any(|it| it == "..")
        });
        // The mount of a container is usually its own group, whatever path the host has for it.
        let group = below.unwrap_or_default().trim_matches('/').to_owned();
        Self { version, mount_point, group }
    }

    /// The directories from the process's group up to the mount: the limits of all of them apply.
    pub(super) fn levels(&self) -> impl Iterator<Item = String> {
        let group = &*self.group;
        let above = group.rmatch_indices('/').map(|(at, _)| group.get(..at).unwrap_or_default());
        let groups = std::iter::once(group).filter(|group| !group.is_empty()).chain(above);
        let mount = self.mount_point.trim_end_matches('/');
        groups.map(move |group| format!("{mount}/{group}")).chain(std::iter::once(mount.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Hierarchy, Version};

    fn levels(root: &str, path: &str) -> Vec<String> {
        Hierarchy::new(Version::Two, "/sys/fs/cgroup".to_owned(), root, path).levels().collect()
    }

    #[test]
    fn levels_lead_from_the_group_to_the_mount() {
        let expected = ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"];
        assert_eq!(levels("/", "/a/b"), expected);
        assert_eq!(levels("/docker/x", "/docker/x/a/b"), expected);
        for (root, path) in [
            ("/", "/"),
            ("/docker/x", "/docker/x"),
            ("/docker/x", "/docker/xy"),
            ("/docker/x", "/"),
            ("/", "/../other"),
            ("/", ""),
            ("", "x"),
        ] {
            assert_eq!(levels(root, path), ["/sys/fs/cgroup"], "{root} {path}");
        }
    }
}

//! `/proc/self/mountinfo` and `/proc/self/cgroup`: the hierarchies of this process.

use super::hierarchy::{Hierarchy, Version};

/// The hierarchies that limit memory or processor time, each mounted one once.
pub(super) fn hierarchies(mounts: &str, groups: &str) -> Vec<Hierarchy> {
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    for mount in mounts.lines().filter_map(Mount::parse) {
        let Some((version, path)) = mount.group_of(groups) else { continue };
        let point = unescaped(mount.point);
        let hierarchy = Hierarchy::new(version, point, &unescaped(mount.root), path);
        // A container engine may mount a hierarchy several times.
        let is_new = !hierarchies.contains(&hierarchy);
        if is_new && hierarchies.len() < MAX_HIERARCHIES {
            hierarchies.push(hierarchy);
        }
    }
    hierarchies
}

/// The fields of a mount that matter here.
struct Mount<'t> {
    root: &'t str,
    point: &'t str,
    file_system: &'t str,
    options: &'t str,
}

impl<'t> Mount<'t> {
    /// `id parent device root point options [tags…] - type source options` (proc(5)).
    fn parse(line: &'t str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut file_system = file_system.split(' ');
        let (kind, options) = (file_system.next()?, file_system.nth(1).unwrap_or_default());
        Some(Self { root, point, file_system: kind, options })
    }

    /// The process's group in the hierarchy of this mount.
    fn group_of<'g>(&self, groups: &'g str) -> Option<(Version, &'g str)> {
        let options: Vec<&str> = self.options.split(',').collect();
        let (version, controllers) = match self.file_system {
            "cgroup2" => (Version::Two, vec![""]),
            "cgroup" => {
                let limiting = |it: &&str| options.contains(it);
                (Version::One, ["memory", "cpu"].into_iter().filter(limiting).collect())
            }
            _ => return None,
        };
        // `id:controllers:path`; version 2 has the id 0 and no controllers. A path may have colons.
        let path = groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (names, path) = (fields.next()?, fields.next()?);
            names.split(',').any(|name| controllers.contains(&name)).then_some(path)
        });
        // Without a line the mount itself may still have limits.
        (!controllers.is_empty()).then_some((version, path.unwrap_or("/")))
    }
}

/// A path with the kernel's octal escapes of white space and backslashes replaced.
fn unescaped(text: &str) -> String {
    let mut pieces = text.split('\\');
    let mut path = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                path.push(char::from(code));
                path.push_str(piece.get(3..).unwrap_or_default());
            }
            None => {
                path.push('\\');
                path.push_str(piece);
            }
        }
    }
    path
}

/// Three usual ones: memory and processor time of version 1, and version 2.
const MAX_HIERARCHIES: usize = 8;

#[cfg(test)]
mod tests {
    use super::{hierarchies, unescaped};

    #[test]
    fn escapes_of_mount_points() {
        for (text, expected) in [
            (r"/a\040b\134c", r"/a b\c"),
            (r"/a\04", r"/a\04"),
            (r"/a\999", r"/a\999"),
            (r"\377é\é", r"\377é\é"),
            ("", ""),
        ] {
            assert_eq!(unescaped(text), expected);
        }
    }

    #[test]
    fn broken_lines_and_other_mounts_are_skipped() {
        let mounts = "x\n1 2 3\n1 2 0:1 / /proc rw - proc proc rw\n1 2 0:1 / /c rw - cgroup\n\
            1 2 0:1 / /d rw - cgroup cgroup rw,devices\n - cgroup2\n1 2 0:1 / /e rw -";
        assert_eq!(hierarchies(mounts, "0::/\n4:memory:/x"), []);
        assert_eq!(hierarchies("", ""), []);
        let mount = "1 2 0:1 / /v2 rw shared:1 - cgroup2 cgroup2 rw\n";
        assert_eq!(hierarchies(&mount.repeat(100), "").len(), 1, "once for each mount");
    }
}

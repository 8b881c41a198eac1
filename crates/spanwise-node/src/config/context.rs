//! The options that change how a file is read.

use crate::settings::Role;
use spanwise_config::Field;
use std::cell::{Cell, RefCell};
use std::path::{Component, Path, PathBuf};

/// Settings of the command line that change how a file is read.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConfigOptions {
    /// The role, instead of that of the file.
    pub role: Option<Role>,
    /// Whether every listener may be reached from other machines without TLS and without authentication. Default `false`.
    pub insecure_listeners: bool,
}

/// The surroundings of a file: readers of sections take them.
pub(super) struct Context<'o> {
    pub(super) options: &'o ConfigOptions,
    /// Whether certificates and keys are read, as the start of a node does. They may be on another machine than a text.
    pub(super) reads_keys: bool,
    unreadable: Cell<usize>,
    /// The directories and files that the node writes, with their keys.
    written: RefCell<Vec<(PathBuf, String)>>,
}

impl<'o> Context<'o> {
    pub(super) fn new(options: &'o ConfigOptions, reads_keys: bool) -> Self {
        Self { options, reads_keys, unreadable: Cell::new(0), written: RefCell::default() }
    }

    /// Takes note of a directory or a file that the node writes for `field`, and reports one that is another key's too.
    pub(super) fn writes(&self, field: &Field<'_>, path: &Path) {
        let place = match self.reads_keys {
            true => followed(path),
            false => without_dots(path),
        };
        let mut written = self.written.borrow_mut();
        match written.iter().find(|(known, _)| *known == place) {
            Some((_, other)) => {
                field.error(format!("it is also `{other}`: each has one of its own"))
            }
            None => written.push((place, field.path().to_owned())),
        }
    }

    /// Reports a key, a certificate or a token that cannot be read.
    pub(super) fn unreadable(&self, field: &Field<'_>, message: String) {
        self.unreadable.set(self.unreadable.get() + 1);
        field.error(message);
    }

    /// The number of errors about those.
    pub(super) fn unreadable_count(&self) -> usize {
        self.unreadable.get()
    }
}

/// The path without links, as far as it exists.
fn followed(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for ancestor in absolute.ancestors() {
        let (Ok(real), Ok(rest)) = (ancestor.canonicalize(), absolute.strip_prefix(ancestor))
        else {
            continue;
        };
        return without_dots(&real.join(rest));
    }
    without_dots(&absolute)
}

/// The path without `.` and `..`.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_is_followed_as_far_as_it_exists() {
        let base = std::env::temp_dir().join(format!("spanwise-node-paths-{}", std::process::id()));
        fs::create_dir_all(base.join("real")).unwrap();
        symlink(base.join("real"), base.join("link")).unwrap();
        let expected = followed(&base.join("real/new/a"));
        for same in ["link/new/a", "link/./new/b/../a", "real/../link/new/a/"] {
            assert_eq!(followed(&base.join(same)), expected, "{same}");
        }
        assert_ne!(followed(&base.join("new/a")), expected);
        assert_eq!(followed(Path::new("x/../y")), std::env::current_dir().unwrap().join("y"));
        fs::remove_dir_all(&base).unwrap();
    }
}

//! Whether anything changed since a build last passed.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use super::combinations::Package;
use crate::source_tree::SourceTree;

/// A number over the files that a package's builds read: its folder, those of the crates of the
/// workspace below it, and `shared` (the lock, the compiler).
pub fn fingerprint(name: &str, packages: &[Package], tree: &SourceTree, shared: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    shared.hash(&mut hasher);
    for folder in folders(name, packages) {
        let prefix = format!("{folder}/");
        for file in tree.files().filter(|(path, _)| path.starts_with(&prefix)) {
            file.hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn folders<'a>(name: &'a str, packages: &'a [Package]) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        let Some(package) = packages.iter().find(|package| package.name == name) else { continue };
        if found.insert(package.folder.as_str()) {
            open.extend(package.depends_on.iter().map(String::as_str));
        }
    }
    found
}

/// The fingerprints of builds that passed, one file for each.
pub struct Passed {
    pub folder: PathBuf,
}

impl Passed {
    pub fn contains(&self, build: &str, fingerprint: u64) -> bool {
        let found = fs::read_to_string(self.folder.join(build));
        found.is_ok_and(|found| found == fingerprint.to_string())
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn insert(&self, build: &str, fingerprint: u64) -> Result<(), String> {
        let path = self.folder.join(build);
        let written = fs::create_dir_all(&self.folder)
            .and_then(|()| fs::write(&path, fingerprint.to_string()));
        written.map_err(|error| format!("{}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, depends_on: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            depends_on: depends_on.iter().map(|&name| name.to_owned()).collect(),
            features: std::collections::BTreeMap::new(),
        }
    }

    /// Of `a`, which depends on `b`, beside an unrelated `c`.
    fn number(b: &str, c: &str, lock: &str) -> u64 {
        let tree = SourceTree::of(&[
            ("crates/a/src/lib.rs", "a"),
            ("crates/b/src/lib.rs", b),
            ("crates/c/src/lib.rs", c),
        ]);
        let packages = [package("a", &["b"]), package("b", &["a"]), package("c", &[])];
        fingerprint("a", &packages, &tree, &[lock])
    }

    #[test]
    fn only_files_below_a_package_and_shared_ones_count() {
        let base = number("b", "c", "lock");
        assert_eq!(number("b", "changed", "lock"), base);
        assert_ne!(number("changed", "c", "lock"), base);
        assert_ne!(number("b", "c", "changed"), base);
    }

    #[test]
    fn a_build_passed_with_its_own_fingerprint_only() {
        let folder = std::env::temp_dir().join(format!("spanwise-matrix-{}", std::process::id()));
        let passed = Passed { folder: folder.clone() };
        assert!(!passed.contains("x", 1));
        passed.insert("x", 1).unwrap();
        assert!(passed.contains("x", 1) && !passed.contains("x", 2) && !passed.contains("y", 1));
        fs::remove_dir_all(folder).unwrap();
    }
}

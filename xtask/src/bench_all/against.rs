//! Spanwise of another revision, built apart.

use super::build::Binaries;
use super::row::Row;
use crate::step::{Step, root, target};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A revision's binaries. Its working tree goes when this is dropped; what was built stays.
pub(super) struct Revision {
    name: String,
    tree: PathBuf,
    pub(super) binaries: Binaries,
}

impl Revision {
    /// Checks `revision` out under `target/bench-against` and builds its benches there.
    ///
    /// # Errors
    /// When git does not know it, or it does not build, as before this command existed.
    pub(super) fn build(revision: &str) -> Result<Self, String> {
        let folder = target().join("bench-against");
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let tree = folder.join("tree");
        // Left behind by a run that was interrupted.
        if tree.exists() {
            remove(&tree)?;
        }
        let path = tree.to_string_lossy().into_owned();
        git(&["worktree", "add", "--force", "--detach", &path, revision])?;
        let built = folder.join("target");
        let this = Self {
            name: revision.to_owned(),
            binaries: Binaries::ours_in(&built.join("release")),
            tree,
        };
        let manifest = this.tree.join("Cargo.toml");
        let arguments = format!(
            "build --release --locked --package spanwise-benches --bins --manifest-path {}",
            manifest.display()
        );
        Step::cargo("build the other revision", &arguments)
            .env("CARGO_TARGET_DIR", &built.to_string_lossy())
            .run()?;
        Ok(this)
    }

    /// The name of its row for `implementation`.
    pub(super) fn name(&self, implementation: &str) -> String {
        format!("{implementation}@{}", self.name)
    }

    /// This revision over that one, row by row.
    pub(super) fn compare(&self, rows: &[Row]) -> String {
        let mut text = format!("\nAgainst {} (below 1: less time now)\n", self.name);
        for row in rows {
            let name = self.name(&row.implementation);
            let before = rows
                .iter()
                .find(|other| other.workload == row.workload && other.implementation == name);
            let Some(before) = before else { continue };
            let ratio = |now: Option<f64>, then: Option<f64>| match now.zip(then) {
                Some((now, then)) => format!("{:.2}", now / then),
                None => "-".to_owned(),
            };
            let _infallible = writeln!(
                text,
                "  {:<12} {:<18} wall {:>5}   CPU {:>5}",
                row.workload,
                row.implementation,
                ratio(row.ns(), before.ns()),
                ratio(row.cpu_ns(), before.cpu_ns()),
            );
        }
        text
    }
}

impl Drop for Revision {
    fn drop(&mut self) {
        if let Err(reason) = remove(&self.tree) {
            eprintln!("{reason}");
        }
    }
}

fn remove(tree: &Path) -> Result<(), String> {
    git(&["worktree", "remove", "--force", &tree.to_string_lossy()])
}

fn git(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("git").current_dir(root()).args(arguments).output();
    let output = output.map_err(|error| format!("cannot start git: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("git {}: {message}", arguments.join(" ")))
}

//! Getting the binaries.

use super::contest::{ALLOCATORS, Entry, Package, RIVALS};
use crate::step::{Step, root};
use std::path::{Path, PathBuf};

/// Where the binaries are. A rival that could not be built is not in the contest.
#[derive(Debug)]
pub(super) struct Binaries {
    ours: PathBuf,
    rivals: PathBuf,
    missing: Vec<&'static str>,
}

impl Binaries {
    /// Builds our own, and the rivals unless `alone`.
    ///
    /// # Errors
    /// When our own do not build. A rival's failure is printed: it may only be the network.
    pub(super) fn build(alone: bool) -> Result<Self, String> {
        Step::cargo("build Spanwise", "build --release --package spanwise-benches --bins").run()?;
        let (ours, rivals) = (target().join("release"), target().join("bench-rivals"));
        let mut missing = Vec::new();
        for &rival in RIVALS.iter().filter(|_| !alone) {
            // The allocators' package is built from our own crates and follows them; a rival stays
            // as it was measured.
            let locked = if rival == ALLOCATORS { "" } else { "--locked" };
            let arguments = format!(
                "build --release {locked} --manifest-path benches/rivals/{rival}/Cargo.toml"
            );
            let built = Step::cargo("build a rival", &arguments)
                .env("CARGO_TARGET_DIR", &rivals.to_string_lossy())
                .run();
            if let Err(reason) = built {
                println!("without {rival}: {reason}");
                missing.push(rival);
            }
        }
        Ok(Self { ours, rivals: rivals.join("release"), missing })
    }

    /// Our own of another build.
    pub(super) fn ours_in(folder: &Path) -> Self {
        Self { ours: folder.to_owned(), rivals: PathBuf::new(), missing: RIVALS.to_vec() }
    }

    /// The binary that times `entry`; `None` when it is not there.
    pub(super) fn timed(&self, entry: &Entry) -> Option<PathBuf> {
        self.of(entry.package, &entry.allocator().map_or(String::new(), |name| format!("-{name}")))
    }

    /// The binary that counts the allocations of `entry`, if they mean anything.
    pub(super) fn counting(&self, entry: &Entry) -> Option<PathBuf> {
        entry.counts_allocations().then(|| self.of(entry.package, "-alloc")).flatten()
    }

    fn of(&self, package: Package, suffix: &str) -> Option<PathBuf> {
        match package {
            Package::Ours => Some(self.ours.join(format!("spanwise-bench{suffix}"))),
            Package::Rival(rival) if self.missing.contains(&rival) => None,
            Package::Rival(rival) => Some(self.rivals.join(format!("rival-{rival}{suffix}"))),
        }
    }

    /// The receiving end.
    pub(super) fn sink(&self) -> PathBuf {
        self.ours.join("spanwise-bench-sink")
    }
}

/// Cargo's target folder.
pub(super) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

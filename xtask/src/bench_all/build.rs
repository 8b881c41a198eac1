//! Getting the binaries.

use super::contest::{Entry, OF_OURS, Package, RIVALS};
use crate::step::{Step, target};
use std::path::{Path, PathBuf};

/// Where the binaries are. A rival that could not be built is not in the contest.
#[derive(Debug)]
pub(super) struct Binaries {
    ours: PathBuf,
    rivals: PathBuf,
    missing: Vec<&'static str>,
}

impl Binaries {
    /// Builds our own, and these rivals.
    ///
    /// # Errors
    /// When our own do not build. A rival's failure is printed: it may only be the network.
    pub(super) fn build(wanted: &[&'static str]) -> Result<Self, String> {
        let Self { ours, .. } = Self::build_ours("release", &["", "-alloc", "-sink"])?;
        let rivals = rivals_folder();
        let mut missing = RIVALS.to_vec();
        missing.retain(|rival| !wanted.contains(rival));
        for &rival in wanted {
            if let Err(reason) = build_rival(rival, &rivals) {
                println!("without {rival}: {reason}");
                missing.push(rival);
            }
        }
        Ok(Self { ours, rivals: rivals.join("release"), missing })
    }

    /// Builds our own with this profile of the workspace: the binaries with these suffixes.
    ///
    /// # Errors
    /// When they do not build.
    pub(super) fn build_ours(profile: &str, suffixes: &[&str]) -> Result<Self, String> {
        let bins: String =
            suffixes.iter().map(|suffix| format!(" --bin spanwise-bench{suffix}")).collect();
        let arguments = format!("build --profile {profile} --package spanwise-benches{bins}");
        Step::cargo("build Spanwise", &arguments).run()?;
        Ok(Self::ours_in(&target().join(profile)))
    }

    /// One rival, from its sources of now, if it was built here before; otherwise that would need the
    /// network. No other binary is there.
    pub(super) fn rebuild(package: Package) -> Option<Self> {
        let Package::Rival(rival) = package else { return None };
        let folder = rivals_folder();
        let this = Self {
            ours: PathBuf::new(),
            rivals: folder.join("release"),
            missing: RIVALS.iter().copied().filter(|&other| other != rival).collect(),
        };
        let is_built = this.of(package, "").is_some_and(|program| program.exists());
        (is_built && build_rival(rival, &folder).is_ok()).then_some(this)
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

fn build_rival(rival: &str, folder: &Path) -> Result<(), String> {
    // A package of our own crates follows them; a rival stays as it was measured.
    let locked = if OF_OURS.contains(&rival) { "" } else { "--locked" };
    let arguments =
        format!("build --release {locked} --manifest-path benches/rivals/{rival}/Cargo.toml");
    Step::cargo("build a rival", &arguments)
        .env("CARGO_TARGET_DIR", &folder.to_string_lossy())
        .run()
}

fn rivals_folder() -> PathBuf {
    target().join("bench-rivals")
}

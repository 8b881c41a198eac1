//! `cargo xtask matrix`: every crate alone, with no features, each feature and all.

mod combinations;
mod fingerprint;

use combinations::{Combination, Package};
use fingerprint::Passed;

use crate::source_tree::SourceTree;
use crate::step::{Step, output_of_cargo, output_of_rustc, root, timed};
use crate::{Command, only_flags};

pub const COMMAND: Command = Command {
    name: "matrix",
    summary: "builds and tests every crate alone with no features, each feature and all",
    help: "For each set of features: clippy on the crate as its users build it, without the features that\n\
           other crates of the workspace turn on, then its tests. A result is reused while the crate's\n\
           files, those of the workspace's crates below it, Cargo.lock and the compiler are the same.\n\n\
           --quick   the part that `cargo xtask test` runs: clippy without features and with the default\n\
           \x20         ones. Clippy and tests with all features run with the workspace\n\
           --list    only lists the builds, and which of them would run",
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    only_flags(args, &["--quick", "--list"])?;
    let has = |flag: &str| args.iter().any(|argument| argument == flag);
    let matrix = Matrix::read()?;
    let builds = matrix.builds(has("--quick"));
    if has("--list") {
        for build in &builds {
            let mark = if matrix.has_passed(build) { "passed" } else { "to run" };
            println!("{mark}  {}", build.name());
        }
        return Ok(());
    }
    matrix.run(&builds)
}

/// The part that `cargo xtask test` runs.
///
/// # Errors
/// That of the first build that fails.
pub fn quick() -> Result<(), String> {
    let matrix = Matrix::read()?;
    matrix.run(&matrix.builds(true))
}

/// Files outside of the crates that builds and tests read.
const SHARED: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "clippy.toml",
    "docs/DIAGNOSTICS.md",
    "docs/attributes.md",
    "docs/benchmarking-your-code.md",
    "docs/compatibility.md",
    "docs/configuration.md",
    "docs/deploy/README.md",
    "docs/deploy/kubernetes.yaml",
    "docs/deploy/shop.env",
    "docs/deploy/shop.secrets.env",
    "docs/deploy/shop.service",
    "docs/from-tracing-opentelemetry.md",
    "docs/node.md",
    "docs/node/account.md",
    "docs/node/settings.md",
    "docs/operations/metrics.md",
    "docs/production.md",
    "docs/redaction.md",
    "docs/tail-sampling.md",
    "docs/tracing.md",
    "docs/troubleshooting.md",
];

struct Matrix {
    packages: Vec<Package>,
    tree: SourceTree,
    /// The texts of [`SHARED`], and the compiler.
    shared: Vec<String>,
    passed: Passed,
}

#[derive(Debug, PartialEq, Eq)]
struct Build {
    combination: Combination,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The crate as its users build it.
    Clippy,
    Test,
}

impl Build {
    fn name(&self) -> String {
        let kind = match self.kind {
            Kind::Clippy => "clippy",
            Kind::Test => "tests",
        };
        format!("{}, {kind}", self.combination.label())
    }

    fn step(&self) -> Step {
        let args = self.combination.args();
        let args = match self.kind {
            Kind::Clippy => format!("clippy --quiet {args} -- -D warnings"),
            Kind::Test => format!("test --quiet {args}"),
        };
        Step::cargo(self.name(), &args)
    }
}

impl Matrix {
    fn read() -> Result<Matrix, String> {
        let packages =
            combinations::packages(&output_of_cargo("metadata --format-version 1 --no-deps")?)?;
        let places = [&["crates"], SHARED].concat();
        let tree = SourceTree::read(&root(), &places)?;
        let file = |name: &&str| tree.text(name).unwrap_or_default().to_owned();
        let mut shared: Vec<String> = SHARED.iter().map(file).collect();
        shared.push(output_of_rustc("-vV")?);
        let passed = Passed { folder: root().join("target/matrix") };
        Ok(Matrix { packages, tree, shared, passed })
    }

    /// The builds of every crate in `crates/`; programs of the workspace have no features.
    fn builds(&self, quick: bool) -> Vec<Build> {
        let crates = self.packages.iter().filter(|package| package.folder.starts_with("crates/"));
        crates.flat_map(|package| builds(package, quick)).collect()
    }

    fn fingerprint(&self, build: &Build) -> u64 {
        let shared: Vec<&str> = self.shared.iter().map(String::as_str).collect();
        let package = &build.combination.package;
        fingerprint::fingerprint(package, &self.packages, &self.tree, &shared)
    }

    fn has_passed(&self, build: &Build) -> bool {
        self.passed.contains(&build.name(), self.fingerprint(build))
    }

    fn run(&self, builds: &[Build]) -> Result<(), String> {
        let open: Vec<&Build> = builds.iter().filter(|build| !self.has_passed(build)).collect();
        println!("{} builds, {} of them passed before", builds.len(), builds.len() - open.len());
        timed("matrix", || {
            for build in open {
                build.step().run()?;
                self.passed.insert(&build.name(), self.fingerprint(build))?;
            }
            Ok(())
        })
    }
}

fn builds(package: &Package, quick: bool) -> Vec<Build> {
    let mut builds = Vec::new();
    let combinations = package.combinations();
    for combination in combinations {
        let is_quick = combination.features.is_empty() || combination == package.default_features();
        if !quick || is_quick {
            builds.push(Build { combination: combination.clone(), kind: Kind::Clippy });
        }
        if !quick {
            builds.push(Build { combination, kind: Kind::Test });
        }
    }
    builds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate's test that reads another file would keep its old result when that file changes.
    #[test]
    fn the_files_outside_that_crates_read_are_shared() {
        let tree = SourceTree::read(&root(), &["crates"]).unwrap();
        for (path, text) in tree.files().filter(|(path, _)| path.ends_with(".rs")) {
            let depth = path.split('/').count() - 1;
            for outside in [format!("\"{}", "../".repeat(depth)), "\"/../../".to_owned()] {
                for rest in text.split(outside.as_str()).skip(1) {
                    let file = rest.split('"').next().unwrap_or_default();
                    assert!(file.starts_with("../") || SHARED.contains(&file), "{path}: {file}");
                }
            }
        }
    }

    fn check(features: &[&str], quick: bool, expected: &[&str]) {
        let package = Package {
            name: "x".to_owned(),
            folder: "crates/x".to_owned(),
            depends_on: Vec::new(),
            features: features.iter().map(|&name| (name.to_owned(), Vec::new())).collect(),
        };
        let found: Vec<String> = builds(&package, quick).iter().map(Build::name).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_set_is_tested_unless_in_haste() {
        check(&[], false, &["x bare, clippy", "x bare, tests"]);
        check(&[], true, &["x bare, clippy"]);
        check(&["a"], false, &["x bare, clippy", "x bare, tests", "x a, clippy", "x a, tests"]);
        check(&["a"], true, &["x bare, clippy"]);
    }
}

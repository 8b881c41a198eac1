//! Two versions of the `opentelemetry` API in a program, as its `Cargo.lock` shows them.

use spanwise::{CheckStatus, DoctorCheck, VisibleFrom};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The check of the `Cargo.lock` in `folder` or in the nearest folder above it; `None` without one, or if it has no
/// `opentelemetry`.
pub fn check_above(folder: &Path) -> Option<DoctorCheck> {
    let path =
        folder.ancestors().map(|folder| folder.join("Cargo.lock")).find(|it| it.is_file())?;
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    check(&text)
}

fn check(lock: &str) -> Option<DoctorCheck> {
    let versions = versions(lock);
    let newest = versions.last()?;
    let check = |status, finding: String| {
        DoctorCheck::new("opentelemetry", status, VisibleFrom::Outside, finding)
    };
    if versions.len() == 1 {
        let finding = format!("Cargo.lock has one version of opentelemetry, {newest}");
        return Some(check(CheckStatus::Passed, finding));
    }
    let list: Vec<_> = versions.iter().map(String::as_str).collect();
    let finding = format!(
        "Cargo.lock has {} versions of opentelemetry: {}; a span of one is lost to the provider of another",
        list.len(),
        list.join(", ")
    );
    Some(check(CheckStatus::Warning, finding).with_fix(format!(
        "`cargo tree -i opentelemetry@{}` shows its dependents; bring them to one version",
        list.first().copied().unwrap_or_default()
    )))
}

/// The versions of the package `opentelemetry`, the oldest first.
fn versions(lock: &str) -> Vec<String> {
    let mut lines = lock.lines().map(str::trim);
    let mut versions = BTreeMap::new();
    while let Some(line) = lines.next() {
        if line != "name = \"opentelemetry\"" {
            continue;
        }
        let version = lines.next().and_then(|line| line.strip_prefix("version = \""));
        if let Some(version) = version.and_then(|version| version.strip_suffix('"')) {
            let numbers: Vec<u64> = version.split('.').map_while(|it| it.parse().ok()).collect();
            versions.insert((numbers, version), version.to_owned());
        }
    }
    versions.into_values().collect()
}

/// A `Cargo.lock` of a large workspace has some 200 KiB.
const MAX_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    fn package(name: &str, version: &str) -> String {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"x\"\n\n")
    }

    #[test]
    fn two_versions_of_the_api_are_found() {
        let one = package("opentelemetry", "0.33.1") + &package("opentelemetry_sdk", "0.31.0");
        let found = check(&one).unwrap();
        assert_eq!(found.status(), CheckStatus::Passed, "{found}");
        let two = package("opentelemetry", "0.31.0") + &one;
        let found = check(&two).unwrap();
        assert_eq!(found.status(), CheckStatus::Warning);
        assert_eq!(
            found.finding(),
            "Cargo.lock has 2 versions of opentelemetry: 0.31.0, 0.33.1; a span of one is lost to the provider of another"
        );
        assert_eq!(
            versions(&(two + &package("opentelemetry", "0.9.0"))),
            ["0.9.0", "0.31.0", "0.33.1"]
        );
        assert_eq!(check(&package("tokio", "1.0.0")), None);
    }
}

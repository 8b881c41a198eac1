//! Packages that a crate brings in, by `cargo tree`.

use std::collections::{BTreeMap, BTreeSet};

use crate::step::output_of_cargo;

/// A crate with features, and the most packages of its tree, itself included.
struct Limit {
    name: &'static str,
    /// Arguments of cargo.
    features: &'static str,
    max: usize,
}

const TRANSPORT: &str = "spanwise-transport";
const FACADE: &str = "spanwise";
/// Plug-ins for the stock SDK, which is in both numbers.
const PLUG_INS: &str = "spanwise-opentelemetry";

const LIMITS: &[Limit] = &[
    Limit { name: FACADE, features: "", max: 65 },
    Limit { name: FACADE, features: "--no-default-features", max: 46 },
    Limit { name: PLUG_INS, features: "", max: 70 },
    Limit { name: PLUG_INS, features: "--no-default-features --features sampler", max: 34 },
    Limit { name: "spanwise-sampling", features: "--no-default-features", max: 4 },
    Limit { name: TRANSPORT, features: "--no-default-features", max: 16 },
    Limit { name: TRANSPORT, features: "--no-default-features --features tokio", max: 28 },
];

/// Trees that have no package in two versions. Macros are left out where `grpc` is on: two versions
/// of `syn` build tonic's dependencies, and none is in the program.
const WITHOUT_DUPLICATES: &[(&str, &str)] =
    &[("", "normal"), ("--all-features", "normal,no-proc-macro")];

/// Every limit that is exceeded. Prints the numbers.
///
/// # Errors
/// When cargo fails.
pub fn problems() -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for Limit { name, features, max } in LIMITS {
        let count = packages(&tree(name, features, "normal")?).len();
        let call = format!("{name} {features}");
        let call = call.trim_end();
        println!("{call}: {count} packages, at most {max}");
        if count > *max {
            problems.push(format!("{call}: {count} packages, at most {max}"));
        }
    }
    for (features, edges) in WITHOUT_DUPLICATES {
        problems.extend(duplicates(&packages(&tree(FACADE, features, edges)?)));
    }
    Ok(problems)
}

fn tree(name: &str, features: &str, edges: &str) -> Result<String, String> {
    output_of_cargo(&format!("tree --package {name} --edges {edges} --prefix none {features}"))
}

/// Name and version of each package.
type Packages = BTreeSet<(String, String)>;

fn packages(tree: &str) -> Packages {
    let package = |line: &str| {
        let mut parts = line.split_whitespace().map(str::to_owned);
        Some((parts.next()?, parts.next()?))
    };
    tree.lines().filter_map(package).collect()
}

fn duplicates(packages: &Packages) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version) in packages {
        versions.entry(name).or_default().push(version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let line = |(name, versions): (&str, Vec<&str>)| {
        format!("{FACADE} brings in {name} {}", versions.join(" and "))
    };
    versions.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "spanwise v0.1.0 (/x)\na v1.0.0\nb v2.0.0\na v1.0.0 (*)\n";

    #[test]
    fn a_package_counts_once() {
        assert_eq!(packages(TREE).len(), 3);
        assert_eq!(duplicates(&packages(TREE)), [""; 0]);
    }

    #[test]
    fn two_versions_of_a_package_are_reported() {
        let tree = format!("{TREE}a v1.1.0\n");
        assert_eq!(duplicates(&packages(&tree)), ["spanwise brings in a v1.0.0 and v1.1.0"]);
    }
}

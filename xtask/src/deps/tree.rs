//! Packages that crates bring in from outside, dependencies of dependencies included.

use super::ranks::{Member, Rank, rank};
use crate::step::output_of_cargo;

/// Every package in a tree that forbids it, in words.
pub fn violations(members: &[Member]) -> Result<Vec<String>, String> {
    let mut violations = Vec::new();
    let default_trees = members.iter().map(|Member { name, .. }| (&**name, "", forbidden(name)));
    for (name, features, forbidden) in default_trees.chain([WITHOUT_RUNTIME]) {
        if !forbidden.is_empty() {
            let edges = "--edges no-dev --prefix none --format {p}";
            let args = format!("tree --package {name} {features} {edges}");
            violations.extend(found(name, &output_of_cargo(&args)?, forbidden));
        }
    }
    Ok(violations)
}

/// The transport of threads without a runtime, with every feature that does not need one.
const WITHOUT_RUNTIME: (&str, &str, &[&str]) = (
    "spanwise-transport",
    "--no-default-features --features blocking-tls,proxy,system-roots,zstd",
    &["tokio", "hyper", "tonic", "prost"],
);

/// Packages that may not occur in the default tree of crate `name`.
fn forbidden(name: &str) -> &'static [&'static str] {
    match (name, rank(name)) {
        // Its own thread has a runtime: that is its job.
        ("spanwise-worker", _) => &["hyper", "tonic", "prost"],
        (_, Some(Rank::Published(0))) => &["tokio", "hyper", "tonic", "prost"],
        // gRPC and C are choices; protobuf we write ourselves.
        ("spanwise" | "spanwise-transport", _) => &["tonic", "prost", "zstd-safe"],
        _ => &[],
    }
}

fn found(name: &str, tree: &str, forbidden: &[&str]) -> Vec<String> {
    let mut packages: Vec<&str> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    packages.sort_unstable();
    packages.dedup();
    packages.retain(|package| forbidden.contains(package));
    packages.into_iter().map(|package| format!("{name} brings in {package}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_count_once() {
        let tree = "spanwise-wire v0.1.0 (path)\ntokio v1.0.0\nbytes v1\ntokio v1.0.0 (*)\nprost-types v1\n";
        assert_eq!(
            found("spanwise-wire", tree, forbidden("spanwise-wire")),
            ["spanwise-wire brings in tokio"]
        );
    }

    #[test]
    fn each_place_has_its_rule() {
        assert!(!forbidden("spanwise-worker").contains(&"tokio"));
        assert!(forbidden("spanwise-ledger").contains(&"tokio"));
        assert!(forbidden("spanwise").contains(&"tonic"));
        assert!(forbidden("spanwise-receiver").is_empty());
        assert!(forbidden("xtask").is_empty());
    }
}

//! The ranks of the workspace's crates, and the dependencies that violate them.

use std::fmt::Write as _;

use serde_json::Value;

/// One crate of the workspace with its dependencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub published: bool,
    /// Names of normal and build dependencies, optional ones included; sorted.
    pub depends_on: Vec<String>,
}

/// The rank of a crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    Published(u8),
    /// May depend on anything; only dev-dependencies of published crates may lead to it.
    Unpublished,
}

/// The rank of every crate there is or will be.
pub fn rank(name: &str) -> Option<Rank> {
    let found = RANKS.iter().find(|(_, names)| names.contains(&name));
    found.map(|&(rank, _)| rank)
}

/// Reads `cargo metadata --format-version 1 --no-deps`.
pub fn members(metadata: &str) -> Result<Vec<Member>, String> {
    let metadata: Value = serde_json::from_str(metadata).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("metadata without packages")?;
    packages.iter().map(member).collect()
}

fn member(package: &Value) -> Result<Member, String> {
    let name = package["name"].as_str().ok_or("a package without a name")?;
    let dependencies =
        package["dependencies"].as_array().ok_or("a package without dependencies")?;
    let mut depends_on: Vec<String> = dependencies
        .iter()
        .filter(|dependency| dependency["kind"] != "dev")
        .filter_map(|dependency| Some(dependency["name"].as_str()?.to_owned()))
        .collect();
    depends_on.sort();
    depends_on.dedup();
    // `publish = false` reads as an empty list of registries, no `publish` as null.
    let published = package["publish"].as_array().is_none_or(|registries| !registries.is_empty());
    Ok(Member { name: name.to_owned(), published, depends_on })
}

/// Every violation of the ranks, as text.
pub fn violations(members: &[Member]) -> Vec<String> {
    members.iter().flat_map(|member| violations_of(member, members)).collect()
}

fn violations_of(member: &Member, members: &[Member]) -> Vec<String> {
    let name = &member.name;
    let Some(own) = rank(name) else {
        return vec![format!("{name} has no rank: give it one in xtask/src/deps/ranks.rs")];
    };
    let mut violations = Vec::new();
    if member.published != (own != Rank::Unpublished) {
        violations.push(format!("{name}: `publish` in its Cargo.toml contradicts its rank"));
    }
    if name == ALONE && !member.depends_on.is_empty() {
        let all = member.depends_on.join(", ");
        violations.push(format!("{name} depends on {all}; it has no dependencies"));
    }
    for other in siblings(member, members) {
        match (own, rank(other)) {
            (Rank::Published(_), Some(Rank::Unpublished)) => violations
                .push(format!("{name} depends on {other}, which only dev-dependencies may do")),
            (Rank::Published(own), Some(Rank::Published(rank))) if rank >= own => {
                violations.push(format!("{name} (rank {own}) depends on {other} (rank {rank})"));
            }
            // An unpublished crate may; a crate without a rank is reported at itself.
            _ => {}
        }
    }
    violations
}

/// The crates by rank, highest first, each with its direct dependencies in the workspace.
pub fn picture(members: &[Member]) -> String {
    let mut text = String::new();
    for (rank, _) in RANKS {
        let here = members.iter().filter(|member| self::rank(&member.name) == Some(*rank));
        let mut here: Vec<&Member> = here.collect();
        here.sort_by_key(|member| &member.name);
        for (index, member) in here.into_iter().enumerate() {
            let label = match (rank, index) {
                (_, 1..) => String::new(),
                (Rank::Published(rank), 0) => format!("rank {rank}"),
                (Rank::Unpublished, 0) => "unpublished".into(),
            };
            let names: Vec<&str> = siblings(member, members)
                .map(|name| name.strip_prefix("spanwise-").unwrap_or(name))
                .collect();
            let line = format!("{label:<12} {:<22} {}", member.name, names.join(" "));
            let _infallible = writeln!(text, "{}", line.trim_end());
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// The dependencies of `member` that are crates of this workspace.
fn siblings<'a>(member: &'a Member, members: &'a [Member]) -> impl Iterator<Item = &'a str> {
    let is_member = |name: &&str| members.iter().any(|member| member.name == *name);
    member.depends_on.iter().map(String::as_str).filter(is_member)
}

const RANKS: &[(Rank, &[&str])] = &[
    (Rank::Published(6), &["spanwise-cli", "spanwise-node"]),
    (Rank::Published(5), &["spanwise"]),
    (Rank::Published(4), &["spanwise-admin", "spanwise-opentelemetry", "spanwise-tracing"]),
    (Rank::Published(3), &["spanwise-sdk"]),
    (Rank::Published(2), &["spanwise-export", "spanwise-tail"]),
    (
        Rank::Published(1),
        &[
            "spanwise-batch",
            "spanwise-metrics",
            "spanwise-pool",
            "spanwise-profiling",
            "spanwise-receiver",
            "spanwise-redact",
            "spanwise-sampling",
            "spanwise-spool",
            "spanwise-transport",
        ],
    ),
    (
        Rank::Published(0),
        &[
            "spanwise-bytes",
            "spanwise-config",
            "spanwise-ledger",
            "spanwise-wire",
            "spanwise-worker",
        ],
    ),
    (
        Rank::Unpublished,
        &[
            "spanwise-bench-harness",
            "spanwise-benches",
            "spanwise-sim",
            "spanwise-testkit",
            "xtask",
        ],
    ),
];

/// The crate without any dependency, so that everybody can afford it.
const ALONE: &str = "spanwise-ledger";

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, depends_on: &[&str]) -> Member {
        let depends_on = depends_on.iter().map(|&name| name.to_owned()).collect();
        let published = rank(name) != Some(Rank::Unpublished);
        Member { name: name.to_owned(), published, depends_on }
    }

    /// The violations of a workspace in which crate `name` has these dependencies.
    fn check(name: &str, depends_on: &[&str], expected: &[&str]) {
        let mut members = vec![
            member("spanwise", &["spanwise-sdk"]),
            member("spanwise-sdk", &["spanwise-batch", "spanwise-wire"]),
            member("spanwise-batch", &["spanwise-ledger"]),
            member("spanwise-receiver", &["bytes"]),
            member("spanwise-ledger", &[]),
            member("spanwise-wire", &[]),
            member("spanwise-testkit", &[]),
            member("xtask", &["spanwise", "spanwise-testkit"]),
        ];
        members.retain(|member| member.name != name);
        members.push(member(name, depends_on));
        assert_eq!(violations(&members), expected);
    }

    #[test]
    fn arrows_down_are_fine() {
        check("spanwise-batch", &["spanwise-wire", "bytes"], &[]);
        check("spanwise", &["spanwise-receiver", "spanwise-wire"], &[]);
        check("spanwise-testkit", &["spanwise", "anything"], &[]);
    }

    #[test]
    fn the_export_engine_is_below_the_sdk() {
        check("spanwise-export", &["spanwise-batch", "spanwise-ledger", "spanwise-wire"], &[]);
        check(
            "spanwise-export",
            &["spanwise-sdk"],
            &["spanwise-export (rank 2) depends on spanwise-sdk (rank 3)"],
        );
    }

    #[test]
    fn arrows_up_and_sideways_are_not() {
        check(
            "spanwise-wire",
            &["spanwise-sdk"],
            &["spanwise-wire (rank 0) depends on spanwise-sdk (rank 3)"],
        );
        check(
            "spanwise-batch",
            &["spanwise-receiver"],
            &["spanwise-batch (rank 1) depends on spanwise-receiver (rank 1)"],
        );
        check(
            "spanwise-ledger",
            &["spanwise-wire", "libc"],
            &[
                "spanwise-ledger depends on spanwise-wire, libc; it has no dependencies",
                "spanwise-ledger (rank 0) depends on spanwise-wire (rank 0)",
            ],
        );
    }

    #[test]
    fn nothing_leads_to_the_unpublished() {
        check(
            "spanwise-sdk",
            &["spanwise-testkit"],
            &["spanwise-sdk depends on spanwise-testkit, which only dev-dependencies may do"],
        );
    }

    #[test]
    fn a_new_crate_needs_a_rank() {
        check(
            "spanwise-new",
            &["spanwise-wire"],
            &["spanwise-new has no rank: give it one in xtask/src/deps/ranks.rs"],
        );
    }

    #[test]
    fn publishing_follows_the_rank() {
        let mut loose = member("xtask", &[]);
        loose.published = true;
        assert_eq!(
            violations(&[loose]),
            ["xtask: `publish` in its Cargo.toml contradicts its rank"]
        );
    }

    #[test]
    fn metadata_is_read() {
        let text = r#"{"packages": [
            {"name": "spanwise-wire", "publish": null, "dependencies": [
                {"name": "prost", "kind": "dev"}, {"name": "cc", "kind": "build"},
                {"name": "bytes", "kind": null}, {"name": "bytes", "kind": null}]},
            {"name": "xtask", "publish": [], "dependencies": []}]}"#;
        let expected = [member("spanwise-wire", &["bytes", "cc"]), member("xtask", &[])];
        assert_eq!(members(text).unwrap(), expected);
        assert!(members("{}").is_err());
    }

    #[test]
    fn the_picture() {
        let members = [
            member("xtask", &["serde_json", "spanwise-sdk"]),
            member("spanwise-wire", &[]),
            member("spanwise-ledger", &[]),
            member("spanwise-sdk", &["bytes", "spanwise-ledger", "spanwise-wire"]),
        ];
        let expected = "\
rank 3       spanwise-sdk           ledger wire
rank 0       spanwise-ledger
             spanwise-wire
unpublished  xtask                  sdk";
        assert_eq!(picture(&members), expected);
    }
}

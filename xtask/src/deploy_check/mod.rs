//! `cargo xtask deploy-check`: the units and manifests of `docs/deploy/`, by the programs that read them.

mod collector;
mod kubernetes;
mod proxy;
mod systemd;

use crate::Command;
use crate::peers::{Cache, Options, Part, Report, Scratch};
use crate::step::root;
use std::fs;
use std::path::PathBuf;

pub(crate) const COMMAND: Command = Command {
    name: "deploy-check",
    summary: "the units and manifests of docs/deploy/, by systemd, Kubernetes' types, the Collector and nginx",
    help: "\
Reads docs/deploy/ and runs cases:

  systemd/UNIT        systemd-analyze verify accepts each line, and rates the exposure below 3 of 10
  kubernetes/types    the types that Kubernetes publishes for Go decode every object strictly, and what an object
                      refers to is there (needs go)
  collector/FILE      otelcol validate accepts the configuration (needs the Collector that interop builds)
  proxy/metrics       nginx, as the pod runs it, passes /metrics on and nothing else

  --only WORD         only cases whose name has WORD in it; may be repeated

Cases of a program that is missing are skipped. Exit status 1 when a case has failed.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    if let Some(option) =
        arguments.iter().find(|name| ["--long", "--write"].contains(&name.as_str()))
    {
        return Err(format!("knows --only but not {option:?}"));
    }
    let report = Report::new(Options::parse(arguments)?);
    let setup = Setup { cache: Cache::open()?, scratch: Scratch::new("deploy-check")? };
    report.run_all(&setup, PARTS, COMMAND.name)
}

struct Setup {
    cache: Cache,
    /// For the files of the run.
    scratch: Scratch,
}

const PARTS: &[(&str, Part<Setup>)] = &[
    ("systemd", systemd::run),
    ("kubernetes", kubernetes::run),
    ("collector", collector::run),
    ("proxy", proxy::run),
];

const MANIFESTS: [&str; 2] = ["kubernetes.yaml", "kubernetes-collector.yaml"];

/// The place of a file of `docs/deploy/`.
fn path(name: &str) -> PathBuf {
    root().join("docs/deploy").join(name)
}

/// # Errors
/// The file cannot be read.
fn read(name: &str) -> Result<String, String> {
    fs::read_to_string(path(name)).map_err(|error| format!("{name}: {error}"))
}

/// The block of text behind `key: |` of a manifest, without its indentation.
///
/// # Errors
/// There is none.
fn block(manifest: &str, key: &str) -> Result<String, String> {
    let missing = || format!("no block {key:?}");
    let start = format!("  {key}: |\n");
    let (_, rest) = manifest.split_once(&start).ok_or_else(missing)?;
    let indent = rest.len() - rest.trim_start_matches(' ').len();
    let lines = rest.lines().take_while(|line| {
        line.trim().is_empty() || line.len() - line.trim_start_matches(' ').len() >= indent
    });
    let text: Vec<&str> = lines.map(|line| line.get(indent..).unwrap_or_default()).collect();
    if text.is_empty() { Err(missing()) } else { Ok(text.join("\n") + "\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_where_its_indentation_ends() {
        let manifest =
            "data:\n  # about\n  nginx.conf: |\n    a {\n\n      b;\n    }\n---\nkind: X\n";
        assert_eq!(block(manifest, "nginx.conf").as_deref(), Ok("a {\n\n  b;\n}\n"));
        assert!(block(manifest, "other").is_err());
    }
}

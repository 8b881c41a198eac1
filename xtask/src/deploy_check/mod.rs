//! `cargo xtask deploy-check`: the units and manifests of `docs/deploy/`, by the programs that read them.

mod collector;
mod kubernetes;
mod node;
mod proxy;
mod setup;
mod systemd;

use crate::Command;
use crate::peers::{Options, Part, Report};
use setup::Setup;

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
  node/FILE           spanwise-node check accepts the file, or the one in a manifest
  node/size           its static binary has at most 15 MiB
  node/alone          it becomes ready and drains in a root that has nothing else, as another user (needs root)

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
    report.run_all(&Setup::make()?, PARTS, COMMAND.name)
}

const PARTS: &[(&str, Part<Setup>)] = &[
    ("systemd", systemd::run),
    ("kubernetes", kubernetes::run),
    ("collector", collector::run),
    ("proxy", proxy::run),
    ("node", node::run),
];

//! `cargo xtask oracle`: other implementations read what Spanwise writes, and write what Spanwise reads.

mod dialogue;
mod javascript;
mod python;
mod received;
mod send;
mod setup;

use crate::Command;
use crate::peers::{Options, Part, Report};
use setup::Setup;

pub(crate) const COMMAND: Command = Command {
    name: "oracle",
    summary: "Python's and JavaScript's OpenTelemetry read and write the same bytes and JSON",
    help: "\
Installs grpcio and opentelemetry-proto for Python, and the OTLP transformer for JavaScript, once into
$XDG_CACHE_HOME/spanwise or ~/.cache/spanwise, and runs cases on loopback:

  python/reads/PROTOCOL/COMPRESSION    Python parses requests of Spanwise; each span is compared
  python/writes/PROTOCOL/COMPRESSION   Python sends to spanwise-receiver; spanwise-wire and prost read
  python/answers/…                     partial success and retry details of grpcio
  javascript/…                         the transformer's bytes and JSON are read, and its JSON is met

  --only WORD   only cases whose name has WORD in it; may be repeated
  --write       writes the report into docs/interop.md

Needs python3 and npm. A case that cannot run has failed. Exit status 1 when a case has failed.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let report = Report::new(Options::parse(arguments)?);
    report.run_all(&Setup::make()?, PARTS, "oracle")
}

const PARTS: &[(&str, Part<Setup>)] = &[("python", python::run), ("javascript", javascript::run)];

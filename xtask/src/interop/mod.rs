//! `cargo xtask interop`: Spanwise against a real OpenTelemetry Collector, in both directions.

pub(crate) mod build;
mod collector;
mod forward;
mod idle;
mod limits;
mod lines;
pub(crate) mod nginx;
mod pings;
mod probe;
mod refused;
mod reverse;
mod ring;
mod sampling;
mod setup;
mod stored;
mod storing;
mod tail;
mod target;
mod unix;

use crate::Command;
use crate::peers::{Options, Part, Report, route};
use setup::Setup;

pub(crate) const COMMAND: Command = Command {
    name: "interop",
    summary: "Spanwise against a real OpenTelemetry Collector, in both directions",
    help: "\
Builds an OpenTelemetry Collector from its Go modules (once, about seven minutes, into
$XDG_CACHE_HOME/spanwise or ~/.cache/spanwise), starts it on loopback and runs cases:

  forward/PROTOCOL/COMPRESSION/SECURITY   Spanwise sends, the Collector stores, and each span is compared
  reverse/PROTOCOL/COMPRESSION/SECURITY   the Collector's exporters send to spanwise-receiver
  unix/…                                  Unix sockets instead of ports, in both directions
  lines/file_exporter                     the Collector's lines of JSON, transcoded and compared
  probe/…                                 the protocol of each of the Collector's ports
  ring/VERSION                            routes of trace ids against those of load_balancing
  sampling/…                              tail_sampling and probabilistic_sampler after Spanwise's samplers
  tail/…                                  78 configurations and 136 conditions of tail_sampling against spanwise-tail, and blocks with mistakes
  limits/…                                a Collector that refuses requests: too large, or their encoding
  refused/…                               TLS that does not fit: no span leaves, a report names the cause
  idle/…                                  minutes without a span, and pings that are too many (--long)
  nginx/…                                 nginx in front (optional: skipped where it cannot be fetched)

  --only WORD   only cases whose name has WORD in it; may be repeated
  --long        cases that take minutes, too
  --write       writes the report into docs/interop.md

  tail [--seeds N] [--record]   the configurations of tail_sampling alone, with more seeds; the report is
                                target/interop/tail.md; --record rewrites the decisions that the tests repeat

Needs go and openssl. A case that cannot run has failed, except those of nginx. Exit status 1 when a case has
failed.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    if let [first, rest @ ..] = arguments
        && first == "tail"
    {
        return tail::command(rest);
    }
    let mut report = Report::new(Options::parse(arguments)?);
    let setup = Setup::make(&mut report)?;
    report.run_all(&setup, PARTS, "interop")
}

const PARTS: &[(&str, Part<Setup>)] = &[
    ("forward", forward::run),
    ("reverse", reverse::run),
    ("unix", unix::run),
    ("lines", lines::run),
    ("probe", probe::run),
    ("ring", ring::run),
    ("sampling", sampling::run),
    ("tail", tail::run),
    ("limits", limits::run),
    ("refused", refused::run),
    ("nginx", nginx::run),
    ("idle", idle::run),
];

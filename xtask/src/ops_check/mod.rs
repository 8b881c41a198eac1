//! `cargo xtask ops-check`: the alert rules and the dashboard, against Prometheus and Grafana's schema.

mod dashboard;
mod faulty;
mod fixture;
mod http;
mod names;
mod prometheus;
mod promql;
mod rules;
mod scenarios;
mod schema;
mod series;
mod served;
mod setup;
mod tables;

use crate::Command;
use crate::peers::{Counted, Options, Part, Report};
use std::net::SocketAddr;

use setup::{DASHBOARD, RULES, Setup, TESTS_OF_RULES, Target};

pub(crate) const COMMAND: Command = Command {
    name: "ops-check",
    summary: "the alert rules and the dashboard, against a real Prometheus",
    help: "\
Reads docs/operations/ and runs cases:

  files/names        every series and label of the rules and the dashboard is one of metrics.md
  rules/check        promtool check rules
  rules/test         promtool test rules: each alert fires and clears
  schema/dashboard   the types of dashboards that Grafana publishes for Go decode every field (needs go)
  dashboard/PANEL    Prometheus, which scrapes a target on loopback, returns data for each query
  variable/LABEL     and values for each variable
  metrics/served     the target has each metric of metrics.md, of its kind, and no other
  alert/NAME         each alert is silent, fires under faults and clears, with seconds for minutes

  --only WORD        only cases whose name has WORD in it; may be repeated
  --write            writes the times of the alerts into docs/operations.md
  --target ADDRESS   Prometheus scrapes /metrics of this process, such as 127.0.0.1:9464; the alerts, which need
                     faults, are skipped
  --made-up          Prometheus scrapes made-up values of the metrics in metrics.md

The target is a process of this command: a service whose receiver closes, answers 503, or is slow while the queue
is full, and which makes spans as fast as it can.
Prometheus and promtool are those of the system, or of Debian's package, which is unpacked into
$XDG_CACHE_HOME/spanwise or ~/.cache/spanwise without an installation. Where neither is there, their
cases are skipped, and so is the schema without Go. No Grafana runs. Exit status 1 when a case has failed.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let (target, rest) = target_of(arguments)?;
    let mut report = Report::new(Options::parse(&rest)?);
    let setup = Setup::make(&mut report, target)?;
    report.run_parts(&setup, PARTS)
}

/// The target, and the other arguments.
fn target_of(arguments: &[String]) -> Result<(Target, Vec<String>), String> {
    let (mut target, mut rest) = (Target::Process, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--target" => {
                let value = arguments.next().ok_or("--target needs a value")?;
                let address: Option<SocketAddr> = value.parse().ok();
                let address = address.filter(|address| address.ip().is_loopback());
                target = address
                    .map(Target::Address)
                    .ok_or_else(|| format!("--target {value:?}: accepted is a port of loopback"))?;
            }
            "--made-up" => target = Target::MadeUp,
            "--long" => {
                return Err(format!(
                    "knows --only, --write, --target and --made-up but not {name:?}"
                ));
            }
            _ => rest.push(name.clone()),
        }
    }
    if target != Target::Process && rest.iter().any(|name| name == "--write") {
        return Err("--write needs the process of this command".to_owned());
    }
    Ok((target, rest))
}

const PARTS: &[(&str, Part<Setup>)] = &[
    ("files", check_files),
    ("rules", check_rules),
    ("schema", check_schema),
    ("prometheus", served::run),
];

fn check_files(setup: &Setup, report: &mut Report) -> Result<(), String> {
    report
        .case("files/names", || Ok(Counted(names::check(&setup.files)?, "expression").to_string()));
    Ok(())
}

fn check_rules(setup: &Setup, report: &mut Report) -> Result<(), String> {
    for (name, command, file) in
        [("rules/check", "check", RULES), ("rules/test", "test", TESTS_OF_RULES)]
    {
        match &setup.programs {
            Err(reason) => report.skip(name, reason),
            Ok(programs) => report.case(name, || {
                let path = setup::path(file).display().to_string();
                prometheus::promtool(programs, &[command, "rules", &path], &setup.scratch)
            }),
        }
    }
    Ok(())
}

fn check_schema(setup: &Setup, report: &mut Report) -> Result<(), String> {
    let name = "schema/dashboard";
    if !schema::has_go() {
        report.skip(name, "go is not installed");
        return Ok(());
    }
    report.case(name, || {
        let panels = schema::check(&setup.cache, &setup::path(DASHBOARD))?;
        Ok(format!("{panels}, by {} {}", schema::MODULE, schema::RELEASE))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_port_of_loopback() {
        let parse =
            |text: &str| target_of(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let (target, rest) = parse("--only alert --target 127.0.0.1:9464").unwrap();
        assert_eq!(target, Target::Address(SocketAddr::from(([127, 0, 0, 1], 9464))));
        assert_eq!(rest, ["--only", "alert"]);
        assert_eq!(parse("--write").unwrap().0, Target::Process);
        for wrong in
            ["--target", "--target 192.0.2.1:80", "--target 9464", "--write --made-up", "--long"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

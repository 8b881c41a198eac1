//! `cargo xtask ops-check`: the alert rules and the dashboard, against Prometheus and Grafana's schema.

mod dashboard;
mod fixture;
mod http;
mod names;
mod prometheus;
mod promql;
mod rules;
mod schema;
mod served;
mod setup;
mod tables;

use crate::Command;
use crate::peers::{Counted, Options, Part, Report};
use setup::{DASHBOARD, RULES, Setup, TESTS_OF_RULES};

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
  alert/NAME         each alert is silent, fires under faults and clears, with seconds for minutes

  --only WORD   only cases whose name has WORD in it; may be repeated

Prometheus and promtool are those of the system, or of Debian's package, which is unpacked into
$XDG_CACHE_HOME/spanwise or ~/.cache/spanwise without an installation. Where neither is there, their
cases are skipped, and so is the schema without Go. No Grafana runs. Exit status 1 when a case has failed.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    if let Some(other) =
        arguments.iter().find(|name| ["--long", "--write"].contains(&name.as_str()))
    {
        return Err(format!("knows --only but not {other:?}"));
    }
    let mut report = Report::new(Options::parse(arguments)?);
    let setup = Setup::make(&mut report)?;
    report.run_all(&setup, PARTS, "ops-check")
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

//! The report: on the terminal, as Markdown, as JSON, as a page.

use super::claims::{self, Claim};
use super::machine;
use super::micro::{self, MicroRow};
use super::row::Row;
use super::targets::{Target, judge};
use serde_json::{Value, json};
use std::fmt::{self, Write as _};

/// Everything a run found.
pub(super) struct Report {
    pub(super) machine: Value,
    pub(super) rows: Vec<Row>,
    pub(super) micro: Vec<MicroRow>,
    pub(super) targets: Vec<Target>,
    pub(super) claims: Vec<Claim>,
    pub(super) quick: bool,
}

impl Report {
    pub(super) fn new(rows: Vec<Row>, micro: Vec<MicroRow>, quick: bool) -> Self {
        let (targets, claims) = (judge(&rows), claims::judge(&rows));
        Self { machine: machine::describe(), targets, claims, rows, micro, quick }
    }

    /// The workloads that have rows, each with them.
    pub(super) fn workloads(&self) -> Vec<(&str, Vec<&Row>)> {
        let mut workloads: Vec<(&str, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            match workloads.iter_mut().find(|(name, _)| *name == row.workload) {
                Some((_, rows)) => rows.push(row),
                None => workloads.push((&row.workload, vec![row])),
            }
        }
        workloads
    }

    pub(super) fn to_json(&self) -> Value {
        let targets: Vec<Value> = self
            .targets
            .iter()
            .map(|target| {
                json!({
                    "workload": target.workload,
                    "name": target.name,
                    "wanted": target.wanted,
                    "measured": target.measured,
                    "met": target.met,
                })
            })
            .collect();
        let claims: Vec<Value> = self
            .claims
            .iter()
            .map(|Claim { what, claimed, measured }| {
                json!({ "what": what, "claimed": claimed, "measured": measured })
            })
            .collect();
        json!({
            "machine": self.machine,
            "quick": self.quick,
            "rows": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "micro": micro::to_json(&self.micro),
            "targets": targets,
            "claims": claims,
        })
    }

    pub(super) fn to_markdown(&self) -> String {
        let mut text = format!("# Spanwise against its rivals\n\n`{}`\n", self.machine);
        for (workload, rows) in self.workloads() {
            let _ = writeln!(text, "\n## {workload}\n\n| {} |", HEADINGS.join(" | "));
            let _ = writeln!(text, "|{}", "---|".repeat(HEADINGS.len()));
            for row in rows {
                let _ = writeln!(text, "| {} |", cells(row).join(" | "));
            }
        }
        text += &micro::to_markdown(&self.micro);
        text += "\n## Claims\n\n| | claim of the guide | measured |\n|---|---|---|\n";
        for Claim { what, claimed, measured } in &self.claims {
            let _ = writeln!(text, "| {what} | {claimed} | {measured} |");
        }
        text +=
            "\n## Targets\n\n| workload | target | wanted | measured | |\n|---|---|---|---|---|\n";
        for target in &self.targets {
            let Target { workload, name, wanted, .. } = target;
            let (measured, outcome) = outcome(target);
            let _ = writeln!(text, "| {workload} | {name} | {wanted} | {measured} | {outcome} |");
        }
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (workload, rows) in self.workloads() {
            writeln!(f, "\n{workload}")?;
            line(f, &HEADINGS.map(str::to_owned))?;
            for row in rows {
                line(f, &cells(row))?;
            }
        }
        micro::fmt(&self.micro, f)?;
        writeln!(f, "\nClaims of a guide for Go, and measurements")?;
        for Claim { what, claimed, measured } in &self.claims {
            writeln!(f, "  {what:<42} {claimed}\n    {measured}")?;
        }
        writeln!(f, "\nTargets")?;
        for target in &self.targets {
            let (measured, outcome) = outcome(target);
            let Target { workload, name, wanted, .. } = target;
            writeln!(f, "  {workload:<12} {name:<52} {wanted:<34} {measured:>10}  {outcome}")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[String; 10]) -> fmt::Result {
    let [name, rest @ ..] = cells;
    write!(f, "  {name:<24}")?;
    for cell in rest {
        write!(f, " {cell:>11}")?;
    }
    writeln!(f)
}

/// The row's numbers under [`HEADINGS`]; `-` where it has none.
pub(super) fn cells(row: &Row) -> [String; 10] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let nanos = |nanos: f64| format!("{nanos:.1}");
    let range = row.ns_range();
    [
        row.implementation.clone(),
        or_dash(row.ns().map(nanos)),
        or_dash(range.map(|(min, _)| nanos(min))),
        or_dash(range.map(|(_, max)| nanos(max))),
        or_dash(row.cpu_ns().map(nanos)),
        or_dash(row.allocs.map(|allocs| format!("{allocs:.2}"))),
        or_dash(row.process_allocs.map(|allocs| format!("{allocs:.2}"))),
        or_dash(row.exported().map(|share| format!("{:.1} %", 100.0 * share))),
        or_dash(row.spans_per_second().map(|rate| format!("{:.2} M", rate / 1e6))),
        format!("{:.1}", row.rss_peak_bytes as f64 / f64::from(1 << 20)),
    ]
}

pub(super) const HEADINGS: [&str; 10] =
    ["", "ns", "min", "max", "CPU ns", "allocs", "all threads", "exported", "spans/s", "RSS MiB"];

/// The measurement, and the word for its outcome.
pub(super) fn outcome(target: &Target) -> (&str, &'static str) {
    match &target.measured {
        None => ("-", "not measured"),
        Some(measured) if target.met => (measured, "pass"),
        Some(measured) => (measured, "FAIL"),
    }
}

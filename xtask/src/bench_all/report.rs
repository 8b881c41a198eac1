//! The report: on the terminal, as Markdown, as JSON, as a page.

use super::claims::{self, Claim};
use super::headline::{self, Line};
use super::load::DISTURBING;
use super::machine;
use super::micro::{self, MicroRow};
use super::repeat::{Repeats, Rounds, WIDEST};
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
    pub(super) headline: Vec<Line>,
    pub(super) repeats: Repeats,
    pub(super) quick: bool,
}

impl Report {
    pub(super) fn new(rows: Vec<Row>, micro: Vec<MicroRow>, quick: bool) -> Self {
        let (targets, claims) = (judge(&rows), claims::judge(&rows));
        let headline = headline::lines(&rows);
        let repeats = Repeats::of(&rows, Rounds::new(quick));
        let machine = machine::describe();
        Self { machine, targets, claims, headline, repeats, rows, micro, quick }
    }

    /// The foreign load beside all processes: its mean and its maximum, in cores.
    fn foreign_load(&self) -> Option<(f64, f64)> {
        let loads: Vec<f64> = self.rows.iter().flat_map(Row::foreign_loads).collect();
        let worst = loads.iter().copied().reduce(f64::max)?;
        Some((loads.iter().sum::<f64>() / loads.len() as f64, worst))
    }

    /// Sentences about the load of the machine and the rows that were measured again.
    pub(super) fn conditions(&self) -> Vec<String> {
        let Repeats { repeated, unsteady } = &self.repeats;
        let mut sentences = vec![match self.foreign_load() {
            None => "Foreign load: not known on this system.".to_owned(),
            Some((mean, worst)) => format!(
                "Foreign load: {mean:.2} cores on average, {worst:.2} at worst. {MARK} marks rows \
                 with more than {DISTURBING} beside them."
            ),
        }];
        if !repeated.is_empty() {
            let names = repeated.iter().map(|(name, more)| format!("{name} {more}×"));
            let names = names.collect::<Vec<_>>().join(", ");
            sentences.push(format!("Measured again, {} rows: {names}.", repeated.len()));
        }
        let widest = 100.0 * WIDEST;
        sentences.push(match unsteady.len() {
            0 => format!("Each row has a spread of at most {widest:.0} %."),
            count => {
                let names = unsteady.iter().map(|(name, reason)| format!("{name} ({reason})"));
                let names = names.collect::<Vec<_>>().join(", ");
                format!(
                    "Still unsteady, {count} rows (spread above {widest:.0} %, or load): {names}."
                )
            }
        });
        sentences
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
            "foreign_load": {
                "mean": self.foreign_load().map(|(mean, _)| mean),
                "worst": self.foreign_load().map(|(_, worst)| worst),
                "bound": DISTURBING,
            },
            "repeated": self.repeats.repeated.iter().map(|(row, more)| {
                json!({ "row": row, "processes": more })
            }).collect::<Vec<_>>(),
            "unsteady": self.repeats.unsteady.iter().map(|(row, reason)| {
                json!({ "row": row, "reason": reason })
            }).collect::<Vec<_>>(),
            "widest_spread": WIDEST,
            "headline": self.headline.iter().map(|line| &line.cells).collect::<Vec<_>>(),
            "rows": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "micro": micro::to_json(&self.micro),
            "targets": targets,
            "claims": claims,
        })
    }

    pub(super) fn to_markdown(&self) -> String {
        let mut text = format!("# Spanwise against its rivals\n\n`{}`\n\n", self.machine);
        self.conditions().iter().for_each(|sentence| text += &format!("- {sentence}\n"));
        let title = headline::TITLE;
        let _ = writeln!(text, "\n## {title}\n\n| {} |", headline::HEADINGS.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(headline::HEADINGS.len()));
        for Line { cells } in &self.headline {
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
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
        // With `--only`, maybe of no row.
        let headings = (!self.headline.is_empty()).then(|| headline::HEADINGS.map(str::to_owned));
        if headings.is_some() {
            writeln!(f, "\n{}", headline::TITLE)?;
        }
        for cells in headings.iter().chain(self.headline.iter().map(|Line { cells }| cells)) {
            let [workload, ours, allocator, theirs, times, wall, cpu] = cells;
            writeln!(
                f,
                "  {workload:<16} {ours:<16} {allocator:<10} {theirs:>19} {times:>20} {wall:>6} {cpu:>6}"
            )?;
        }
        writeln!(f)?;
        self.conditions().iter().try_for_each(|sentence| writeln!(f, "{sentence}"))?;
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
            writeln!(f, "  {workload:<16} {name:<60} {wanted:<34} {measured:>13}  {outcome}")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[String; COLUMNS]) -> fmt::Result {
    let [name, rest @ ..] = cells;
    write!(f, "  {name:<24}")?;
    for cell in rest {
        write!(f, " {cell:>11}")?;
    }
    writeln!(f)
}

/// The row's numbers under [`HEADINGS`]; `-` where it has none.
pub(super) fn cells(row: &Row) -> [String; COLUMNS] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let nanos = |nanos: f64| format!("{nanos:.1}");
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let load = |cores: f64| {
        let mark = if cores > DISTURBING { MARK } else { "" };
        format!("{mark}{cores:.2}")
    };
    let range = row.ns_range();
    [
        row.implementation.clone(),
        or_dash(row.ns().map(nanos)),
        or_dash(range.map(|(min, _)| nanos(min))),
        or_dash(range.map(|(_, max)| nanos(max))),
        or_dash(row.spread().map(percent)),
        or_dash(row.cpu_ns().map(nanos)),
        or_dash(row.allocs.map(|allocs| format!("{allocs:.2}"))),
        or_dash(row.process_allocs.map(|allocs| format!("{allocs:.2}"))),
        or_dash(row.exported().map(percent)),
        or_dash(row.spans_per_second().map(|rate| format!("{:.2} M", rate / 1e6))),
        format!("{:.1}", row.rss_peak_bytes as f64 / f64::from(1 << 20)),
        or_dash(row.foreign_load().map(load)),
    ]
}

pub(super) const HEADINGS: [&str; COLUMNS] = [
    "",
    "ns",
    "min",
    "max",
    "spread",
    "CPU ns",
    "allocs",
    "all threads",
    "exported",
    "spans/s",
    "RSS MiB",
    "load",
];
const COLUMNS: usize = 12;
/// In front of a load that disturbs.
const MARK: &str = "!";

/// The measurement, and the word for its outcome.
pub(super) fn outcome(target: &Target) -> (&str, &'static str) {
    match &target.measured {
        None => ("-", "not measured"),
        Some(measured) if target.met => (measured, "pass"),
        Some(measured) => (measured, "FAIL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_report_has_the_load_and_the_rows_measured_again() {
        let mut row = Row::new("w1", "spanwise");
        for foreign in [0.02, 0.4, 0.5, 0.6] {
            row.add(&json!({"ns": [10.0], "cpu_ns": [10.0]}), Some(foreign));
        }
        let report = Report::new(vec![row], Vec::new(), true);
        let json = report.to_json();
        assert_eq!(json["foreign_load"]["worst"], 0.6);
        assert_eq!(json["repeated"][0]["processes"], 2);
        for text in [report.to_string(), report.to_markdown(), super::super::html::page(&report)] {
            assert!(text.contains("0.38 cores on average, 0.60 at worst"), "{text}");
            assert!(text.contains("w1/spanwise 2×"), "{text}");
            assert!(text.contains("w1/spanwise (1 of 4 processes without foreign load)"), "{text}");
        }
    }

    #[test]
    fn a_disturbed_row_has_a_mark() {
        let load = |foreign: Option<f64>| {
            let mut row = Row::new("w1", "spanwise");
            row.add(&json!({"ns": [10.0]}), foreign);
            cells(&row).last().cloned()
        };
        assert_eq!(load(Some(0.05)).as_deref(), Some("0.05"));
        assert_eq!(load(Some(0.25)).as_deref(), Some("!0.25"));
        assert_eq!(load(None).as_deref(), Some("-"));
    }
}

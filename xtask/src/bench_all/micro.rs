//! Micro benches: single steps, in rows of one number each.
//!
//! A package under `benches/micro`, a workspace of its own, joins by a line in [`PACKAGES`]. Its
//! binaries take no arguments and print rows, one JSON object a line: `group`, `name`, `setup`,
//! `unit` and `value`; maybe `claim`, the source document's number; maybe `target`, one of
//! `{"at_most": x}`, `{"times": f, "less_than": "another name of the group and setup"}` and
//! `{"at_most_times": f, "of": "word of another setup"}`. Several processes in turns; medians count.

use super::options::Options;
use crate::step::{Step, target};
use serde_json::{Value, json};
use std::fmt::{self, Write as _};
use std::process::{Command, Stdio};

/// Packages, and their binaries.
const PACKAGES: &[(&str, &[&str])] = &[(
    "pools",
    &[
        "micro-pools",
        "micro-pools-mimalloc",
        "micro-pools-jemalloc",
        "micro-pools-count",
        "micro-workers",
        "micro-bytes",
    ],
)];

/// One number, of several processes.
#[derive(Debug, Clone)]
pub(super) struct MicroRow {
    group: String,
    name: String,
    setup: String,
    unit: String,
    values: Vec<f64>,
    claim: Option<String>,
    target: Value,
}

/// All rows of all packages, or of those that are asked for by name.
///
/// # Errors
/// When a binary fails or prints something else. A package that does not build is printed and left
/// out: it may only be the network.
pub(super) fn run(options: &Options) -> Result<Vec<MicroRow>, String> {
    let mut rows: Vec<MicroRow> = Vec::new();
    for (package, binaries) in PACKAGES.iter().filter(|(package, _)| options.wants(package)) {
        let folder = target().join("bench-micro");
        let manifest = format!("benches/micro/{package}/Cargo.toml");
        let arguments = format!("build --release --manifest-path {manifest}");
        let built = Step::cargo("build micro benches", &arguments)
            .env("CARGO_TARGET_DIR", &folder.to_string_lossy())
            .run();
        if let Err(reason) = built {
            println!("without {package}: {reason}");
            continue;
        }
        for _process in 0..if options.quick { 1 } else { 3 } {
            for binary in *binaries {
                let program = folder.join("release").join(binary);
                let output = Command::new(&program).stderr(Stdio::inherit()).output();
                let output = output.map_err(|error| format!("{binary}: {error}"))?;
                if !output.status.success() {
                    return Err(format!("{binary}: {}", output.status));
                }
                for line in String::from_utf8_lossy(&output.stdout).lines() {
                    add(&mut rows, line).ok_or_else(|| format!("{binary}: no row: {line}"))?;
                }
            }
        }
    }
    Ok(rows)
}

/// Adds a line's number to its row.
fn add(rows: &mut Vec<MicroRow>, line: &str) -> Option<()> {
    let row: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| row[key].as_str().map(str::to_owned);
    let new = MicroRow {
        group: text("group")?,
        name: text("name")?,
        setup: text("setup")?,
        unit: text("unit")?,
        values: vec![row["value"].as_f64()?],
        claim: text("claim"),
        target: row["target"].clone(),
    };
    match rows.iter_mut().find(|known| known.is_same(&new)) {
        Some(known) => known.values.extend(new.values),
        None => rows.push(new),
    }
    Some(())
}

impl MicroRow {
    fn is_same(&self, other: &Self) -> bool {
        let key = |row: &Self| [&row.group, &row.name, &row.setup, &row.unit].map(String::clone);
        key(self) == key(other) && self.target == other.target
    }

    fn value(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The target, the measurement compared with it, and whether it is met.
    fn judge(&self, rows: &[MicroRow]) -> Option<(String, String, bool)> {
        let number = |key: &str| self.target[key].as_f64();
        let text = |key: &str| self.target[key].as_str();
        let find = |matches: &dyn Fn(&MicroRow) -> bool| {
            let mut others =
                rows.iter().filter(|row| row.group == self.group && row.unit == self.unit);
            others.find(|row| matches(row)).map(MicroRow::value)
        };
        let MicroRow { unit, .. } = self;
        if let Some(limit) = number("at_most") {
            let met = self.value() <= limit;
            return Some((format!("at most {limit} {unit}"), rounded(self.value()), met));
        }
        if let (Some(times), Some(name)) = (number("times"), text("less_than")) {
            let other = find(&|row| row.name == name && row.setup == self.setup)?;
            let ratio = other / self.value();
            return Some((
                format!("{times} x less than {name}"),
                format!("{ratio:.1} x"),
                ratio >= times,
            ));
        }
        let (times, setup) = (number("at_most_times")?, text("of")?);
        let other = find(&|row| row.name == self.name && row.setup.contains(setup))?;
        let ratio = self.value() / other;
        Some((
            format!("at most {times} x that of {setup}"),
            format!("{ratio:.2} x"),
            ratio <= times,
        ))
    }

    /// The row's cells under [`HEADINGS`].
    fn cells(&self, rows: &[MicroRow]) -> [String; 6] {
        let (wanted, outcome) = match self.judge(rows) {
            None => (String::new(), String::new()),
            Some((wanted, measured, true)) => (wanted, format!("pass, {measured}")),
            Some((wanted, measured, false)) => (wanted, format!("FAIL, {measured}")),
        };
        [
            self.name.clone(),
            self.setup.clone(),
            format!("{} {}", rounded(self.value()), self.unit),
            self.claim.clone().unwrap_or_default(),
            wanted,
            outcome,
        ]
    }
}

const HEADINGS: [&str; 6] = ["", "setup", "measured", "source document", "wanted", ""];

fn rounded(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Groups, each with its rows.
fn groups(rows: &[MicroRow]) -> Vec<(&str, Vec<&MicroRow>)> {
    let mut groups: Vec<(&str, Vec<&MicroRow>)> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|(group, _)| *group == row.group) {
            Some((_, of_group)) => of_group.push(row),
            None => groups.push((&row.group, vec![row])),
        }
    }
    groups
}

pub(super) fn to_json(rows: &[MicroRow]) -> Value {
    let rows = rows.iter().map(|row| {
        let judged = row.judge(rows);
        json!({
            "group": row.group,
            "name": row.name,
            "setup": row.setup,
            "unit": row.unit,
            "value": row.value(),
            "claim": row.claim,
            "wanted": judged.as_ref().map(|(wanted, ..)| wanted),
            "met": judged.as_ref().map(|(.., met)| met),
        })
    });
    rows.collect()
}

pub(super) fn to_markdown(rows: &[MicroRow]) -> String {
    let mut text = String::new();
    for (group, of_group) in groups(rows) {
        let _ = writeln!(text, "\n## {group}\n\n| {} |", HEADINGS.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(HEADINGS.len()));
        for row in of_group {
            let _ = writeln!(text, "| {} |", row.cells(rows).join(" | "));
        }
    }
    text
}

/// Tables for the page; `escaped` makes text safe in it.
pub(super) fn to_html(rows: &[MicroRow], escaped: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for (group, of_group) in groups(rows) {
        let _ = write!(text, "<h2>{}</h2><table><tr>", escaped(group));
        HEADINGS.iter().for_each(|heading| text += &format!("<th>{heading}"));
        for row in of_group {
            text += "</tr><tr>";
            row.cells(rows).iter().for_each(|cell| text += &format!("<td>{}", escaped(cell)));
        }
        text += "</tr></table>";
    }
    text
}

/// For the terminal.
pub(super) fn fmt(rows: &[MicroRow], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (group, of_group) in groups(rows) {
        writeln!(f, "\n{group}")?;
        for row in of_group {
            let [name, setup, measured, claim, wanted, outcome] = row.cells(rows);
            let line = format!(
                "  {name:<32} {setup:<24} {measured:>12}  {claim:<38} {wanted:<30} {outcome}"
            );
            writeln!(f, "{}", line.trim_end())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_merged_and_judged() {
        let mut rows = Vec::new();
        let line = |name: &str, setup: &str, value: f64, target: Value| {
            json!({"group": "g", "name": name, "setup": setup, "unit": "ns", "value": value, "target": target})
                .to_string()
        };
        let lines = [
            line("ours", "1 thread", 9.0, json!({"at_most": 8})),
            line("ours", "1 thread", 7.0, json!({"at_most": 8})),
            line("ours", "1 thread", 8.0, json!({"at_most": 8})),
            line("rival", "8 threads", 30.0, Value::Null),
            line("ours", "8 threads", 20.0, json!({"times": 2, "less_than": "rival"})),
            line("ours", "8 threads", 20.0, json!({"at_most_times": 3, "of": "1 thread"})),
        ];
        for line in &lines {
            assert!(add(&mut rows, line).is_some());
        }
        let met: Vec<_> = rows.iter().map(|row| row.judge(&rows).map(|(.., met)| met)).collect();
        assert_eq!(met, [Some(true), None, Some(false), Some(true)]);
        assert!(to_markdown(&rows).contains("FAIL, 1.5 x"));
        assert!(add(&mut rows, "{}").is_none() && add(&mut rows, "hello").is_none());
    }

    #[test]
    fn every_package_has_its_folder() {
        let benches = crate::step::root().join("benches/micro");
        assert!(
            PACKAGES.iter().all(|(package, _)| benches.join(package).join("Cargo.toml").exists())
        );
    }
}

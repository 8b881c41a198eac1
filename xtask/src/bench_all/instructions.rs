//! Instructions a span, counted by callgrind: the one number a busy machine does not move.
//!
//! Only `measured_run` on the threads that make spans is counted; the worker is not. The budget is
//! committed as `benches/instructions.json` and holds for the compiler it names.

use super::contest::Entry;
use super::machine::rustc;
use crate::step::root;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Instructions a span by `workload/implementation`.
pub(super) type Counts = BTreeMap<String, f64>;

/// The committed file.
#[derive(Debug, Default)]
pub(super) struct Budget {
    rustc: Option<String>,
    counts: Counts,
}

/// Whether callgrind can run here.
pub(super) fn is_possible() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Counts the entries that a single thread runs without a network in the way.
pub(super) fn measure(program: &Path, entries: &[Entry]) -> Result<Counts, String> {
    let counted = entries.iter().filter(|entry| COUNTED.contains(&entry.workload));
    counted.map(|entry| Ok((key(entry), count(program, entry)?))).collect()
}

impl Budget {
    /// The committed counts; empty when there are none yet.
    pub(super) fn read() -> Result<Self, String> {
        let path = path();
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let json: Value =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let counts = json["instructions_per_span"].as_object().into_iter().flatten();
        let counts =
            counts.filter_map(|(key, count)| Some((key.clone(), count.as_f64()?))).collect();
        Ok(Self { rustc: json["rustc"].as_str().map(str::to_owned), counts })
    }

    /// Takes over what was measured now; entries that were not stay as they are.
    pub(super) fn replace(&mut self, measured: Counts) {
        self.rustc = rustc();
        self.counts.extend(measured);
    }

    pub(super) fn write(&self) -> Result<(), String> {
        let json = json!({
            "rustc": self.rustc,
            "tolerance_percent": TOLERANCE_PERCENT,
            "instructions_per_span": self.counts,
        });
        std::fs::write(path(), format!("{json:#}\n")).map_err(|error| error.to_string())
    }

    /// Fails when a count left its band. With another compiler it only prints.
    pub(super) fn compare(&self, measured: &Counts) -> Result<(), String> {
        let mut broken = Vec::new();
        for (key, &now) in measured {
            let Some(&budget) = self.counts.get(key) else {
                broken.push(format!("{key}: {now:.1}, not in the budget"));
                continue;
            };
            let change = 100.0 * (now / budget - 1.0);
            println!("  {key:<28} {now:>8.1} of {budget:>8.1} ({change:+.1} %)");
            if change.abs() > TOLERANCE_PERCENT {
                broken.push(format!("{key}: {now:.1} instead of {budget:.1} ({change:+.1} %)"));
            }
        }
        if broken.is_empty() {
            return Ok(());
        }
        let broken = broken.join("\n  ");
        if self.rustc != rustc() {
            let made_for = self.rustc.as_deref().unwrap_or("none");
            println!("not held against this compiler (the budget is for {made_for}):\n  {broken}");
            return Ok(());
        }
        Err(format!("instructions a span:\n  {broken}\nmeant? cargo xtask bench-all --bless"))
    }
}

fn count(program: &Path, entry: &Entry) -> Result<f64, String> {
    let ops = SPANS / spans_per_op(entry.workload);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        // Fair turns: the waiting thread must not starve the worker.
        .args(["--fair-sched=yes", "--toggle-collect=*measured_run*"])
        .arg(program)
        .args(["--workload", entry.workload, "--impl", entry.implementation, "--mode", "once"])
        .args(["--ops", &ops.to_string()])
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let message = String::from_utf8_lossy(&output.stderr);
    let collected = message
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse::<f64>().ok());
    match collected {
        Some(collected) if output.status.success() && collected > 0.0 => {
            Ok((10.0 * collected / (ops * spans_per_op(entry.workload)) as f64).round() / 10.0)
        }
        _ => Err(format!("callgrind on {}: {message}", key(entry))),
    }
}

fn spans_per_op(workload: &str) -> u64 {
    match workload {
        "w3" => 5,
        "encode" => 512,
        _ => 1,
    }
}

fn key(entry: &Entry) -> String {
    format!("{}/{}", entry.workload, entry.implementation)
}

fn path() -> PathBuf {
    root().join("benches/instructions.json")
}

const COUNTED: &[&str] = &["w1", "w1-off", "w3", "w1-boxed", "encode"];
const SPANS: u64 = 20_000;
const TOLERANCE_PERCENT: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_beyond_the_band_is_an_error() {
        let budget =
            Budget { rustc: rustc(), counts: Counts::from([("w1/spanwise".to_owned(), 600.0)]) };
        let measured = |count| Counts::from([("w1/spanwise".to_owned(), count)]);
        assert!(budget.compare(&measured(617.0)).is_ok());
        assert!(budget.compare(&measured(619.0)).is_err());
        // Faster than promised is a budget to rewrite, not one to leave slack in.
        assert!(budget.compare(&measured(581.0)).is_err());
        assert!(budget.compare(&Counts::from([("w9/x".to_owned(), 1.0)])).is_err());
        let other = Budget { rustc: Some("1.0.0".to_owned()), ..budget };
        assert!(other.compare(&measured(900.0)).is_ok());
    }
}

//! Instructions a span, counted by callgrind: the one number a busy machine does not move.
//!
//! Only `measured_run` on the threads that make spans is counted; the worker is not. The budget is
//! committed as `benches/instructions.json` and holds for the compiler it names.

use super::contest::{Entry, W1_RATIO, W3_RATIO};
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

/// Counts the entries that a single thread runs without a network in the way; `program` finds the
/// binary of an entry, if it is to be counted.
///
/// A thread counts more while others hold back what it needs, as on a busy machine: what is above the budget is counted again, and
/// the least count stands.
pub(super) fn measure(
    entries: &[Entry],
    budget: &Budget,
    program: impl Fn(&Entry) -> Option<PathBuf>,
) -> Result<Counts, String> {
    // The extras have their counts without a ratio.
    let is_counted = |entry: &&Entry| {
        let has_ratio = [W1_RATIO, W3_RATIO].contains(&entry.workload);
        COUNTED.contains(&entry.workload) && !(has_ratio && entry.has_extra())
    };
    let counted = entries.iter().filter(is_counted);
    let counted = counted.filter_map(|entry| Some((entry, program(entry)?)));
    let least = |(entry, program): (&Entry, PathBuf)| {
        let (key, mut least) = (key(entry), count(&program, entry)?);
        for _ in 0..MAX_RECOUNTS {
            if !budget.is_exceeded(&key, least) {
                break;
            }
            least = least.min(count(&program, entry)?);
        }
        Ok((key, least))
    };
    counted.map(least).collect()
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

    /// Whether a count is above its band. With another compiler there is none.
    fn is_exceeded(&self, key: &str, count: f64) -> bool {
        let most = |budget: &f64| budget * (1.0 + TOLERANCE_PERCENT / 100.0);
        self.rustc == rustc() && self.counts.get(key).is_some_and(|budget| count > most(budget))
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

/// Instructions a span. Under a ratio, of a span that is sampled: a second run makes only operations
/// that are not, and their share is subtracted.
pub(super) fn count(program: &Path, entry: &Entry) -> Result<f64, String> {
    let all = collect(program, entry, "once")?;
    let spans_per_op = spans_per_op(entry.workload) as f64;
    let count = match all.ops {
        None => all.instructions / SPANS as f64,
        Some(ops) => {
            let others = collect(program, entry, "once-dropped")?;
            of_sampled(&all, ops, &others).map_err(|reason| format!("{}: {reason}", key(entry)))?
                / spans_per_op
        }
    };
    Ok((10.0 * count).round() / 10.0)
}

/// A run under callgrind.
#[derive(Debug, Clone, Copy)]
struct Collected {
    instructions: f64,
    /// Under a ratio: operations that were sampled, and the other ones.
    ops: Option<(f64, f64)>,
}

/// Instructions of an operation that is sampled.
fn of_sampled(
    all: &Collected,
    (sampled, left_out): (f64, f64),
    others: &Collected,
) -> Result<f64, String> {
    match others.ops {
        Some((0.0, ops)) if ops > 0.0 && sampled > 0.0 => {
            Ok((all.instructions - left_out * others.instructions / ops) / sampled)
        }
        other => Err(format!("{sampled} operations sampled of all, {other:?} of the others")),
    }
}

fn collect(program: &Path, entry: &Entry, mode: &str) -> Result<Collected, String> {
    let ops = SPANS / spans_per_op(entry.workload);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        // Fair turns: the waiting thread must not starve the worker.
        .args(["--fair-sched=yes", "--toggle-collect=*measured_run*"])
        .arg(program)
        .args(["--workload", entry.workload, "--impl", entry.implementation, "--mode", mode])
        .args(["--ops", &ops.to_string()])
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let message = String::from_utf8_lossy(&output.stderr);
    let collected = message
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse::<f64>().ok());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match collected {
        Some(instructions) if output.status.success() && instructions > 0.0 => {
            let ops = answer["sampled_ops"].as_f64().zip(answer["unsampled_ops"].as_f64());
            Ok(Collected { instructions, ops })
        }
        _ => Err(format!("callgrind on {}: {message}", key(entry))),
    }
}

/// As the file of the workload has it; 1 if there is none.
fn spans_per_op(workload: &str) -> u64 {
    let path = root().join(format!("benches/workloads/{workload}.json"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    json["spans_per_op"].as_u64().unwrap_or(1).max(1)
}

fn key(entry: &Entry) -> String {
    format!("{}/{}", entry.workload, entry.implementation)
}

fn path() -> PathBuf {
    root().join("benches/instructions.json")
}

const COUNTED: &[&str] = &[
    "w1",
    "w1-off",
    W1_RATIO,
    "w3",
    W3_RATIO,
    "w3-builder",
    "w3-in-span",
    "w1-boxed",
    "w1-boxed-in-span",
    "encode",
    "encode-json",
];
const SPANS: u64 = 20_000;
const TOLERANCE_PERCENT: f64 = 3.0;
const MAX_RECOUNTS: usize = 2;

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
    #[test]
    fn operations_that_are_not_sampled_are_subtracted() {
        // 30 operations of 1000 and 70 of 100; ten of those alone take 1000.
        let all = Collected { instructions: 37_000.0, ops: Some((30.0, 70.0)) };
        let others = Collected { instructions: 1000.0, ops: Some((0.0, 10.0)) };
        assert_eq!(of_sampled(&all, (30.0, 70.0), &others), Ok(1000.0));
        let sampled = Collected { instructions: 1000.0, ops: Some((1.0, 9.0)) };
        assert!(of_sampled(&all, (30.0, 70.0), &sampled).is_err());
        assert!(of_sampled(&all, (0.0, 100.0), &others).is_err());
    }

    #[test]
    fn a_request_has_the_spans_of_its_file() {
        assert_eq!(["w1", "w3", "encode", "encode-json"].map(spans_per_op), [1, 5, 512, 512]);
    }
}

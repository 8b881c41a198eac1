//! `--check`: our own benches as a test.

use super::build::Binaries;
use super::contest::{Entry, Package, entries};
use super::instructions::{self, Budget, Counts};
use super::options::Options;
use super::process::measure;
use crate::step::timed;
use serde_json::Value;

/// Runs each of our entries once, and compares instructions with the budget or rewrites it.
pub(super) fn check(options: &Options) -> Result<(), String> {
    let counts_instructions = instructions::is_possible();
    // Answers are the same whatever the optimization, and the profile of the tools builds faster: there, the binary with the counting
    // allocator, too.
    let counts_allocations = !counts_instructions;
    let binaries = match counts_instructions {
        true => Binaries::build_ours("release", &["", "-sink"]),
        false => Binaries::build_ours("tool", &["", "-alloc", "-sink"]),
    }?;
    let ours: Vec<Entry> = entries()
        .into_iter()
        .filter(|entry| entry.package == Package::Ours && options.wants(entry.workload))
        .collect();
    let answered = |entry| answer(entry, &binaries, counts_allocations);
    if !counts_allocations {
        println!(
            "skipped: answers of the counting allocator, which run where instructions are not counted"
        );
    }
    timed("answers", || ours.iter().try_for_each(answered))?;
    if ours.is_empty() {
        return Err("no such workload".to_owned());
    }
    if !counts_instructions {
        return match options.bless {
            true => Err("valgrind is not installed".to_owned()),
            false => {
                println!("skipped: instruction budget (valgrind is not installed)");
                Ok(())
            }
        };
    }
    timed("instructions", || {
        let mut budget = Budget::read()?;
        let measured = instructions::measure(&ours, &budget, |entry| binaries.timed(entry))?;
        let measured = measured.into_iter().chain(of_the_api(options, &budget)?).collect();
        if options.bless {
            budget.replace(measured);
            return budget.write();
        }
        budget.compare(&measured)
    })
}

/// Instructions of the API alone, which every tracer behind it has, too; none unless the rivals were built
/// here before.
fn of_the_api(options: &Options, budget: &Budget) -> Result<Counts, String> {
    let mut entries = entries();
    entries.retain(|entry| entry.implementation == API && options.wants(entry.workload));
    let Some(package) = entries.first().map(|entry| entry.package) else {
        return Ok(Counts::new());
    };
    // The binary may be older than its sources.
    let Some(binaries) = Binaries::rebuild(package) else {
        println!("skipped: instructions of {API} (its package is not built here)");
        return Ok(Counts::new());
    };
    instructions::measure(&entries, budget, |entry| binaries.timed(entry))
}

/// One run must export every span it made, unless the workload is about spans that are not.
fn answer(entry: &Entry, binaries: &Binaries, counts_allocations: bool) -> Result<(), String> {
    let Entry { workload, implementation, .. } = entry;
    let timed = binaries.timed(entry).map(|program| (program, "once"));
    let counting = binaries.counting(entry).filter(|_| counts_allocations);
    let counting = counting.map(|program| (program, "alloc"));
    for (program, mode) in timed.into_iter().chain(counting) {
        // Compressing a batch takes a thousand times as long as making a span.
        let takes_long = *workload == "compress" || workload.starts_with("order-");
        let ops = if takes_long { "2" } else { "1000" };
        let arguments =
            ["--workload", workload, "--impl", implementation, "--mode", mode, "--ops", ops];
        let answer = measure(&program, &binaries.sink(), entry, &arguments.map(str::to_owned))?;
        is_right(workload, &answer)
            .map_err(|reason| format!("{implementation} on {workload}: {reason}: {answer}"))?;
    }
    Ok(())
}

/// The counts that a workload must have: without sampling no span is exported, without a receiver all
/// are lost, and default settings may lose some.
fn is_right(workload: &str, answer: &Value) -> Result<(), &'static str> {
    let count = |key: &str| answer[key].as_u64();
    if count("made").is_none_or(|made| made == 0) {
        return Err("no span");
    }
    let lost = count("lost").ok_or("no count of lost spans")?;
    match workload {
        "dropped" if count("lost") != count("made") => return Err("spans were not lost"),
        "dropped" | "e2e-default" => {}
        _ if lost > 0 => return Err("spans were lost"),
        _ => {}
    }
    let exported_none = count("exported") == Some(0);
    if exported_none != ["w1-off", "dropped"].contains(&workload) {
        return Err("the exported spans are not those of the workload's settings");
    }
    Ok(())
}

/// The API over a tracer that does nothing.
const API: &str = "opentelemetry-api";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_all::contest::W1_RATIO;
    use serde_json::json;

    #[test]
    fn counts_have_to_fit_the_workload() {
        let counts = |made: u64, exported: u64, lost: u64| json!({ "made": made, "exported": exported, "lost": lost });
        let right = |workload, answer| is_right(workload, &answer).is_ok();
        assert!(right("w1", counts(9, 9, 0)) && right(W1_RATIO, counts(9, 4, 0)));
        assert!(!right("w1", counts(9, 8, 1)) && !right("w1", counts(0, 0, 0)));
        assert!(!right("w1", counts(9, 0, 0)) && right("w1-off", counts(9, 0, 0)));
        assert!(right("e2e-default", counts(9, 3, 6)));
        assert!(right("dropped", counts(9, 0, 9)) && !right("dropped", counts(9, 1, 8)));
        assert!(!right("w1", json!({ "made": 9, "exported": 9 })));
    }
}

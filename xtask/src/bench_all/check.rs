//! `--check`: our own benches as a test.

use super::build::Binaries;
use super::contest::{Entry, Package, entries};
use super::instructions::{self, Budget, Counts};
use super::options::Options;
use super::process::measure;
use crate::step::timed;

/// Runs each of our entries once, and compares instructions with the budget or rewrites it.
pub(super) fn check(options: &Options) -> Result<(), String> {
    let binaries = Binaries::build(true)?;
    let ours: Vec<Entry> = entries()
        .into_iter()
        .filter(|entry| entry.package == Package::Ours && options.wants(entry.workload))
        .collect();
    timed("answers", || ours.iter().try_for_each(|entry| answer(entry, &binaries)))?;
    if ours.is_empty() {
        return Err("no such workload".to_owned());
    }
    if !instructions::is_possible() {
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
        let measured = instructions::measure(&ours, |entry| binaries.timed(entry))?;
        let measured = measured.into_iter().chain(of_the_api(options)?).collect();
        if options.bless {
            budget.replace(measured);
            return budget.write();
        }
        budget.compare(&measured)
    })
}

/// Instructions of the API alone, which every tracer behind it has, too; none unless the rivals were built
/// here before.
fn of_the_api(options: &Options) -> Result<Counts, String> {
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
    instructions::measure(&entries, |entry| binaries.timed(entry))
}

/// One run must export every span it made; only the workload with default settings may lose spans.
fn answer(entry: &Entry, binaries: &Binaries) -> Result<(), String> {
    let Entry { workload, implementation, .. } = entry;
    let programs = [(binaries.timed(entry), "once"), (binaries.counting(entry), "alloc")];
    for (program, mode) in programs {
        let Some(program) = program else { continue };
        // Compressing a batch takes a thousand times as long as making a span.
        let ops = if *workload == "compress" { "2" } else { "1000" };
        let arguments =
            ["--workload", workload, "--impl", implementation, "--mode", mode, "--ops", ops];
        let answer = measure(&program, &binaries.sink(), &arguments.map(str::to_owned))?;
        let wrong = |what: &str| Err(format!("{implementation} on {workload}: {what}: {answer}"));
        if answer["made"].as_u64().is_none_or(|made| made == 0) {
            return wrong("no span");
        }
        if *workload != "e2e-default" && answer["lost"].as_u64() != Some(0) {
            return wrong("spans were lost");
        }
        let exported_none = answer["exported"].as_u64() == Some(0);
        if exported_none != (*workload == "w1-off") {
            return wrong("the sampler did not follow its settings");
        }
    }
    Ok(())
}

/// The API over a tracer that does nothing.
const API: &str = "opentelemetry-api";

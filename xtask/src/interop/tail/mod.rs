//! `tail_sampling` of the Collector against `spanwise-tail`: the same files, the same traces, the same spans sampled.

mod compare;
mod configurations;
mod load;
mod mistakes;
mod ours;
mod recorded;
mod span;
mod theirs;

use super::build;
use super::setup::Setup;
use crate::peers::{Cache, Report};
use crate::step::root;
use compare::{Outcome, Sampled};
use configurations::Configuration;
use load::Load;
use std::fmt::Write as _;
use std::path::Path;

/// The cases of `cargo xtask interop`: one seed.
pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.wants_any([NAME, MISTAKES].map(str::to_owned)) {
        return Ok(());
    }
    report.case(NAME, || {
        let outcomes = outcomes(&setup.collector, &[recorded::SEED])?;
        summary(&outcomes)
    });
    report.case(MISTAKES, || mistakes::summary(&mistakes::refusals(&setup.collector)?));
    Ok(())
}

/// `cargo xtask interop tail [--seeds N] [--record]`
///
/// # Errors
/// A decision differs, an argument is not known, or the Collector does not run.
pub(super) fn command(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let cache = Cache::open()?;
    if !build::is_built(&cache) && !has_go() {
        println!(
            "skipped: the Collector {} is not built, and building it needs the command `go`, which is not in PATH",
            build::VERSION
        );
        return Ok(());
    }
    let collector = build::collector(&cache)?;
    if options.record {
        return recorded::record(&collector);
    }
    let seeds: Vec<u64> = (recorded::SEED..recorded::SEED + options.seeds).collect();
    let refusals = mistakes::refusals(&collector)?;
    let outcomes = outcomes(&collector, &seeds)?;
    let path = root().join("target/interop/tail.md");
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(root().join("target/interop")).map_err(failed)?;
    std::fs::write(&path, page(&outcomes, &seeds) + &mistakes::page(&refusals)).map_err(failed)?;
    println!("{}", path.display());
    for outcome in outcomes.iter().filter(|outcome| !outcome.problems.is_empty()) {
        println!("FAILED {}", outcome.name);
        outcome.problems.iter().for_each(|problem| println!("    {problem}"));
    }
    println!("{}", summary(&outcomes)?);
    println!("{}", mistakes::summary(&refusals)?);
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    seeds: u64,
    record: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { seeds: 3, record: false };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--record" => options.record = true,
                "--seeds" => {
                    let seeds = arguments.next().and_then(|text| text.parse().ok());
                    options.seeds = seeds
                        .filter(|seeds| (1..=1_000).contains(seeds))
                        .ok_or("--seeds needs a number from 1 to 1000")?;
                }
                _ => return Err(format!("tail knows --seeds and --record, but not {name:?}")),
            }
        }
        Ok(options)
    }
}

fn has_go() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("go").is_file())
}

/// Runs all seeds.
fn outcomes(collector: &Path, seeds: &[u64]) -> Result<Vec<Outcome>, String> {
    let all = Configuration::all();
    let text = configurations::processors(&all);
    // A mistake is reported before the Collector starts.
    all.iter().try_for_each(|configuration| configuration.read(&text).map(drop))?;
    let mut outcomes: Vec<Outcome> = all.iter().map(Outcome::new).collect();
    for seed in seeds {
        let load = Load::new(*seed, TRACES);
        let theirs = theirs::sampled(collector, &all, &load)?;
        for ((configuration, outcome), (file, theirs)) in all.iter().zip(&mut outcomes).zip(&theirs)
        {
            let config = configuration.read(file)?;
            let ours = ours::sampled(&config, &load)?;
            outcome.add(configuration, *seed, &load, Sampled { theirs, ours: &ours });
        }
        println!("seed {seed}: {} traces, {} spans", load.traces.len(), load.spans);
    }
    Ok(outcomes)
}

/// One line.
///
/// # Errors
/// Decisions differ.
fn summary(outcomes: &[Outcome]) -> Result<String, String> {
    let different: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !outcome.problems.is_empty())
        .map(|outcome| outcome.name.as_str())
        .collect();
    let traces: usize = outcomes.iter().map(|outcome| outcome.traces).sum();
    if different.is_empty() {
        return Ok(format!(
            "{} configurations, {traces} decisions as those of the Collector",
            outcomes.len()
        ));
    }
    Err(format!(
        "{} of {} configurations differ: {}",
        different.len(),
        outcomes.len(),
        different.join(", ")
    ))
}

/// The report.
fn page(outcomes: &[Outcome], seeds: &[u64]) -> String {
    let mut text = format!(
        "# `spanwise-tail` against `tail_sampling` of the Collector {}\n\nSeeds {seeds:?}, {TRACES} traces each. Sampled traces and spans \
         are those of the Collector; the ids of all spans were compared.\n\n| configuration | traces | sampled traces | sampled spans | \
         result |\n|---|--:|--:|--:|---|\n",
        build::VERSION
    );
    for outcome in outcomes {
        let Outcome { name, condition, traces, sampled_traces, sampled_spans, problems } = outcome;
        let condition =
            condition.as_deref().map(|text| format!(": `{}`", text.replace('|', "\\|")));
        let condition = condition.unwrap_or_default();
        let result = problems.first().map_or("equal", String::as_str).replace('|', "\\|");
        let _infallible = writeln!(
            text,
            "| {name}{condition} | {traces} | {sampled_traces} | {sampled_spans} | {result} |"
        );
    }
    text
}

const NAME: &str = "tail/configurations";
const MISTAKES: &str = "tail/mistakes";
/// Traces of a seed.
const TRACES: usize = 250;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let parse = |text: &str| {
            Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(parse(""), Ok(Options { seeds: 3, record: false }));
        assert_eq!(parse("--seeds 7 --record"), Ok(Options { seeds: 7, record: true }));
        for wrong in ["--seeds", "--seeds 0", "--seeds x", "--fast"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

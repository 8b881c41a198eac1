//! Recorded decisions of the Collector, which `spanwise-tail` repeats without one.

use super::configurations::Configuration;
use super::load::{Load, SpanKey};
use super::theirs;
use crate::interop::build;
use crate::step::root;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The seed of the recorded load, and its traces.
pub(super) const SEED: u64 = 18;
const TRACES: usize = 120;

/// Writes the decisions of the Collector into the file of recorded decisions.
///
/// # Errors
/// The Collector does not run, samples a trace in part, or the file cannot be written.
pub(super) fn record(collector: &Path) -> Result<(), String> {
    let mut all = Configuration::all();
    all.retain(|configuration| !configuration.is_statistical());
    let load = Load::new(SEED, TRACES);
    let mut text = format!(
        "# Traces that `tail_sampling` of the Collector {} samples, one digit for four traces: seed {SEED}, {TRACES} traces.\n",
        build::VERSION
    );
    for (configuration, (_, keys)) in all.iter().zip(theirs::sampled(collector, &all, &load)?) {
        let _infallible = writeln!(text, "{} {}", configuration.name, digits(&load, &keys)?);
    }
    let path = root().join(FILE);
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// One bit for each trace, in hex.
///
/// # Errors
/// A trace is sampled in part.
fn digits(load: &Load, keys: &[SpanKey]) -> Result<String, String> {
    let mut spans: BTreeMap<u128, usize> = BTreeMap::new();
    for (trace, _) in keys {
        *spans.entry(*trace).or_default() += 1;
    }
    let mut digits = String::new();
    for traces in load.traces.chunks(4) {
        let mut digit = 0;
        for (bit, trace) in traces.iter().enumerate() {
            match spans.get(trace) {
                None => {}
                Some(count) if load.sizes.get(trace) == Some(count) => digit |= 1 << bit,
                Some(count) => return Err(format!("{trace:032x}: only {count} spans are sampled")),
            }
        }
        let _infallible = write!(digits, "{digit:x}");
    }
    Ok(digits)
}

/// The file, from the root of the sources.
const FILE: &str = "xtask/src/interop/tail/recorded.txt";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::tail::configurations::processors;
    use crate::interop::tail::ours;

    #[test]
    fn spanwise_repeats_the_recorded_decisions() {
        let all = Configuration::all();
        let load = Load::new(SEED, TRACES);
        let mut recorded: BTreeMap<&str, &str> = include_str!("recorded.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(' '))
            .collect();
        let mut different = Vec::new();
        for configuration in all.iter().filter(|configuration| !configuration.is_statistical()) {
            let theirs = recorded.remove(configuration.name.as_str());
            let config =
                configuration.read(&processors(std::slice::from_ref(configuration))).unwrap();
            let keys = ours::sampled(&config, &load).unwrap();
            let ours = digits(&load, &keys).unwrap();
            if theirs != Some(ours.as_str()) {
                let condition = configuration.condition();
                different.push(format!(
                    "{}: {ours} instead of {theirs:?} {condition:?}",
                    configuration.name
                ));
            }
        }
        assert!(different.is_empty(), "{}", different.join("\n"));
        assert!(recorded.is_empty(), "{recorded:?} is not among the configurations");
    }
}

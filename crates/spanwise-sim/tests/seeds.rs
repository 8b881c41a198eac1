//! The command line: seeds pass, a trace is repeatable, and a planted bug is found. `.ci/run` has all planted bugs, with optimization.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::process::Command;

/// Runs the program with these arguments, and returns whether it succeeded and its output.
fn sim(arguments: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise-sim"));
    let output = command.args(arguments.split_whitespace()).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_first_seeds_break_no_rule() {
    let (is_success, output) = sim("--seeds 20");
    assert!(is_success, "{output}");
    assert!(output.contains("20 seeds, 0 of which break a rule"), "{output}");
}

#[test]
fn the_first_seeds_of_the_tail_sampler_break_no_rule() {
    let (is_success, output) = sim("--tail --seeds 100");
    assert!(is_success, "{output}");
    assert!(output.contains("100 seeds, 0 of which break a rule"), "{output}");
}

#[test]
fn the_first_seeds_of_the_spool_break_no_rule() {
    let (is_success, output) = sim("--spool --seeds 20");
    assert!(is_success, "{output}");
    assert!(output.contains("20 seeds, 0 of which break a rule"), "{output}");
}

/// In these worlds a panic of the output once left a trace of a budget undecided for ever.
#[test]
fn worlds_that_once_lost_a_trace_break_no_rule() {
    for seed in [51_553, 59_651] {
        let (is_success, output) = sim(&format!("--tail --first {seed} --seeds 1"));
        assert!(is_success && output.contains("1 seeds, 0 of which break a rule"), "{output}");
    }
}

#[test]
fn a_seed_has_the_same_trace_in_every_process() {
    for seed in ["3", "14", "159", "5 --tail", "13 --spool"] {
        let (is_success, first) = sim(&format!("--seed {seed} --trace"));
        assert!(is_success, "{first}");
        let (_, second) = sim(&format!("--seed {seed} --trace"));
        let differs = first.lines().zip(second.lines()).find(|(first, second)| first != second);
        assert_eq!(differs, None);
        assert_eq!(first.lines().count(), second.lines().count());
        assert!(first.lines().count() > 20, "{first}");
    }
}

#[test]
fn a_seed_that_fails_prints_the_command_that_replays_it() {
    let (is_success, output) = sim("--seeds 20 --plant EarlyFlush");
    assert!(!is_success);
    let replay =
        output.lines().find_map(|line| line.trim().strip_prefix("replay: cargo xtask sim "));
    let (is_success, output) = sim(&format!("{} --plant EarlyFlush", replay.unwrap()));
    assert!(!is_success);
    assert!(output.lines().last().unwrap().contains("a flush waits for its spans"), "{output}");
}

#[test]
fn an_unknown_option_is_an_error() {
    let (is_success, output) = sim("--fast");
    assert!(!is_success && output.is_empty());
}

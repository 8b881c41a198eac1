//! Mutated segments, indexes, checkpoints and boot ledgers: no reader panics or loops, and each span is delivered or counted.
//!
//! The inputs derive from files that the spool writes, and from the corpus, by seeded mutations, so that a run is the same on every
//! machine. `SPANWISE_FUZZ_SECONDS` is the time for each target, and `SPANWISE_FUZZ_SEED` begins another series; `cargo xtask fuzz` sets
//! both. An input that fails is printed as a file for the corpus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::ptr_arg,
    dead_code,
    reason = "a test that cannot go on must fail"
)]

mod mutation;
#[path = "../support/requests.rs"]
mod requests;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use mutation::{mutate, repair_boot_ledger, repair_checkpoint, repair_index, repair_segment};
use requests::Random;
use spanwise_spool::boot_ledger::{BootIdentity, BootLedger, FILE_NAME, Precision, SpanCounts};
use spanwise_spool::storage::model::ModelStorage;

/// The inputs of a target in the corpus, files in hexadecimal digits in the order of their names, and whether each has to be accepted:
/// those of version 1 are read by every later version.
fn corpus(target: &str) -> Vec<(Vec<u8>, bool)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let bytes = |file: &std::path::PathBuf| {
        let digits: String = std::fs::read_to_string(file).unwrap().split_whitespace().collect();
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        let is_valid = file.file_name().unwrap().to_str().unwrap().starts_with("version-");
        ((0..digits.len()).step_by(2).map(byte).collect(), is_valid)
    };
    files.iter().map(bytes).collect()
}

/// Runs `target`, which returns whether it accepted its input, with every input of the corpus, then with mutations of `seeds`, as many as
/// `count` or the time allows.
fn fuzz(
    seeds: Vec<Vec<u8>>,
    corpus: Vec<(Vec<u8>, bool)>,
    count: u32,
    repair: impl Fn(&mut [u8]),
    target: impl Fn(&Vec<u8>) -> bool,
) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let limit = number("SPANWISE_FUZZ_SECONDS").map(Duration::from_secs);
    let mut random = Random(number("SPANWISE_FUZZ_SEED").unwrap_or_default());
    let start = Instant::now();
    let run = |input: &Vec<u8>| {
        let begin = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| target(input)));
        if result.is_err() {
            let digits: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("the input that failed:\n{digits}");
        }
        let is_accepted = result.unwrap_or_else(|payload| resume_unwind(payload));
        // A bound of time, far above what a slow machine needs.
        assert!(begin.elapsed() < Duration::from_secs(20), "{} bytes", input.len());
        is_accepted
    };
    for seed in &seeds {
        assert!(run(seed), "a file that the spool wrote is valid");
    }
    for (input, is_valid) in &corpus {
        assert!(run(input) || !is_valid, "a file of an earlier version is valid");
    }
    // A result that is mutated again goes further than one step from the seeds.
    let (mut pool, mut accepted) = (seeds.clone(), 0);
    for index in 0u64.. {
        let is_over = match limit {
            Some(limit) => start.elapsed() >= limit,
            None => index >= u64::from(count),
        };
        if is_over {
            eprintln!("{accepted} of {index} are accepted, {:.1} s", start.elapsed().as_secs_f64());
            // The mutations reach what lies behind the checksums, and the errors.
            assert!((index / 20..index * 39 / 40).contains(&accepted) || index == 0);
            break;
        }
        let base = &pool[random.below(pool.len() as u64) as usize];
        let other = &seeds[random.below(seeds.len() as u64) as usize];
        let mut input = mutate(&mut random, base, other);
        if !random.one_in(5) {
            repair(&mut input);
        }
        let is_accepted = run(&input);
        accepted += u64::from(is_accepted);
        if is_accepted && input.len() < 20_000 {
            match pool.len() {
                0..64 => pool.push(input),
                len => {
                    let place = seeds.len() as u64 + random.below((len - seeds.len()) as u64);
                    pool[place as usize] = input;
                }
            }
        }
    }
}

#[test]
fn segments_are_read_or_set_aside() {
    let seeds = vec![targets::files().content(targets::SEGMENT).unwrap()];
    fuzz(seeds, corpus("segments"), 1_500, repair_segment, targets::segment);
}

#[test]
fn indexes_are_used_or_built_again() {
    let seeds = vec![targets::files().content(targets::INDEX).unwrap()];
    fuzz(seeds, corpus("indexes"), 800, repair_index, targets::index);
}

#[test]
fn checkpoints_are_used_or_ignored() {
    let seeds = vec![targets::files().content(targets::CHECKPOINT).unwrap()];
    fuzz(seeds, corpus("checkpoints"), 800, repair_checkpoint, targets::checkpoint);
}

#[test]
fn boot_ledgers_are_read_or_reported_as_unreadable() {
    let storage = ModelStorage::new(0);
    let open = || {
        BootLedger::open(&mut storage.clone(), BootIdentity::default(), Precision::OnChange)
            .unwrap()
            .0
    };
    let mut ledger = open();
    let counts = SpanCounts { created: 90, exported: 40, spooled: 20, ..SpanCounts::default() };
    ledger.write(requests::start(), &counts).unwrap();
    ledger.write(requests::start(), &SpanCounts { created: 95, ..counts }).unwrap();
    let crashed = storage.content(FILE_NAME).unwrap();
    ledger.close(requests::start(), &counts).unwrap();
    let seeds = vec![crashed, storage.content(FILE_NAME).unwrap()];
    fuzz(seeds, corpus("boot-ledgers"), 1_500, repair_boot_ledger, targets::boot_ledger);
}

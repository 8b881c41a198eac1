//! Mutated files, conditions and requests: none panics, and each is refused or accounted for.
//!
//! The inputs derive from the corpus by seeded mutations, so that a run is the same on every machine. `SPANWISE_FUZZ_SECONDS` is the
//! time for each target, and `SPANWISE_FUZZ_SEED` begins another series; `cargo xtask fuzz` sets both. An input that fails is printed as
//! a file for the corpus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod mutation;
#[path = "../support/mod.rs"]
mod support;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use mutation::{Random, mutate_message, mutate_text};

/// The inputs of a target in the corpus, in the order of their names.
fn corpus(target: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// Runs `target`, which returns whether it accepted its input, with every input of `seeds`, then with mutations, as many as `count` or
/// the time allows.
fn fuzz<T: AsRef<[u8]>>(
    seeds: &[T],
    count: u32,
    mutate: impl Fn(&mut Random, &T, &T) -> T,
    target: impl Fn(&T) -> bool,
) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let limit = number("SPANWISE_FUZZ_SECONDS").map(Duration::from_secs);
    let mut random = Random(number("SPANWISE_FUZZ_SEED").unwrap_or_default());
    let start = Instant::now();
    let run = |input: &T| {
        let begin = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| target(input)));
        if result.is_err() {
            let bytes = input.as_ref();
            match std::str::from_utf8(bytes) {
                Ok(text) => eprintln!("the input that failed:\n{text}"),
                Err(_) => {
                    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    eprintln!("the input that failed:\n{digits}");
                }
            }
        }
        let is_accepted = result.unwrap_or_else(|payload| resume_unwind(payload));
        // A bound of time, far above what a slow machine needs.
        assert!(begin.elapsed() < Duration::from_secs(20), "{} bytes", input.as_ref().len());
        is_accepted
    };
    for seed in seeds {
        assert!(run(seed), "the corpus is valid: {}", String::from_utf8_lossy(seed.as_ref()));
    }
    // A result that is mutated again goes further than one step from the corpus.
    let mut pool: Vec<T> = Vec::new();
    let mut accepted = 0;
    for index in 0u64.. {
        let is_over = match limit {
            Some(limit) => start.elapsed() >= limit,
            None => index >= u64::from(count),
        };
        if is_over {
            eprintln!("{accepted} of {index} are accepted, {:.1} s", start.elapsed().as_secs_f64());
            // The mutations reach what lies behind the readers, and the errors.
            assert!((index / 20..index * 19 / 20).contains(&accepted) || index == 0);
            break;
        }
        let from_pool = !pool.is_empty() && random.below(3) == 0;
        let other = &seeds[random.below(seeds.len())];
        let input = match from_pool {
            true => {
                let base = random.below(pool.len());
                mutate(&mut random, &pool[base], other)
            }
            false => {
                let base = random.below(seeds.len());
                mutate(&mut random, &seeds[base], other)
            }
        };
        let is_accepted = run(&input);
        accepted += u64::from(is_accepted);
        if is_accepted && input.as_ref().len() < 20_000 {
            match pool.len() {
                0..64 => pool.push(input),
                len => pool[random.below(len)] = input,
            }
        }
    }
}

#[test]
fn files_of_the_collector_are_read_or_refused() {
    let mutate = |random: &mut Random, text: &String, other: &String| {
        mutate_text(random, text, other, targets::CONFIG_WORDS)
    };
    fuzz(&corpus("config"), 600, mutate, |text| targets::config(text));
}

#[test]
fn conditions_are_evaluated_or_refused() {
    let seeds: Vec<String> =
        corpus("ottl").iter().flat_map(|file| file.lines()).map(str::to_owned).collect();
    let mutate = |random: &mut Random, text: &String, other: &String| {
        mutate_text(random, text, other, targets::OTTL_WORDS)
    };
    fuzz(&seeds, 2_000, mutate, |text| targets::ottl(text));
}

#[test]
fn spans_are_taken_or_refused() {
    let seeds: Vec<Vec<u8>> = corpus("spans").iter().map(|digits| bytes(digits)).collect();
    let mutate = |random: &mut Random, request: &Vec<u8>, other: &Vec<u8>| {
        mutate_message(random, request, other)
    };
    fuzz(&seeds, 800, mutate, |request| targets::spans(request));
}

fn bytes(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

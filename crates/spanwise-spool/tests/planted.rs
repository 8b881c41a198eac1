//! Each bug that can be planted in the spool is found by the crash points of a few seeds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot go on must fail"
)]

#[path = "crash/judge.rs"]
mod judge;
#[path = "crash/oracle.rs"]
mod oracle;
#[path = "support/requests.rs"]
mod requests;
#[path = "crash/tally.rs"]
mod tally;
#[path = "crash/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use spanwise_spool::planted::{SpoolBug, plant};
use world::World;

/// Seeds that are tried for each bug.
const SEEDS: u64 = 1_000;

fn run(seed: u64) -> Result<(), String> {
    let run = || World::new(seed).and_then(|mut world| world.run(200));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("panic".to_owned()))
}

/// The only test of its process: a planted bug is there for all threads.
#[test]
fn each_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in SpoolBug::ALL {
        plant(Some(bug));
        let found = (0..SEEDS).find_map(|seed| run(seed).err().map(|error| (seed, error)));
        plant(None);
        match found {
            Some((seed, error)) => {
                eprintln!("{bug:?}: seed {seed}: {error}");
                // The bug alone breaks the rule.
                assert_eq!(run(seed), Ok(()), "seed {seed} without a planted bug");
            }
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

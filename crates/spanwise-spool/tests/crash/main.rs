//! The spool over a storage that loses at a crash what was not synced: no stored record is lost, none is made up, each is counted.
//!
//! `SPANWISE_CRASH_POINTS` is the number of crash points, and `SPANWISE_CRASH_SEED` the first seed; `cargo xtask spool-crash` sets both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod judge;
mod oracle;
#[path = "../support/requests.rs"]
mod requests;
mod tally;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tally::Tally;
use world::World;

/// Crash points of one seed: long enough for evictions and several lives, short enough to follow by hand.
const POINTS_OF_A_SEED: u64 = 500;
/// The worlds from this seed on reach every event early.
const FIRST_SEED: u64 = 7_000;

/// The world of a seed until a rule is broken or it had enough crash points.
fn run(seed: u64, points: u64) -> Result<Tally, String> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed)?;
        world.run(points)?;
        Ok(world.tally)
    }));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_crash_loses_a_stored_record() {
    let points = number("SPANWISE_CRASH_POINTS").unwrap_or(4_000);
    let first = number("SPANWISE_CRASH_SEED").unwrap_or(FIRST_SEED);
    let jobs = number("SPANWISE_CRASH_JOBS").unwrap_or(1);
    let begin = Instant::now();
    let (next, total, failed) = (AtomicU64::new(0), Mutex::new(Tally::default()), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Relaxed);
                    if total.lock().unwrap().crash_points >= points
                        || failed.lock().unwrap().is_some()
                    {
                        break;
                    }
                    match run(first + index, POINTS_OF_A_SEED) {
                        Ok(tally) => total.lock().unwrap().add(&tally),
                        Err(error) => *failed.lock().unwrap() = Some((first + index, error)),
                    }
                }
            });
        }
    });
    let total = *total.lock().unwrap();
    eprintln!("{total:?}, {:.1} s", begin.elapsed().as_secs_f64());
    if let Some((seed, error)) = failed.lock().unwrap().take() {
        panic!(
            "seed {seed}: {error}\nrepeat with SPANWISE_CRASH_SEED={seed} SPANWISE_CRASH_POINTS=1"
        );
    }
    assert!(total.crash_points >= points);
    // The worlds reach what they are made for.
    let reached = [total.lives, total.stored, total.failed_syncs, total.evicted, total.expired];
    assert!(reached.iter().all(|count| *count >= points / 2_000), "{total:?}");
}

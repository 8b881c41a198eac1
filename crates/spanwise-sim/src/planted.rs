//! The test of the tests: each planted bug has to be found.

use crate::planted_bug::PlantedBug;
use crate::seeds::{Seeds, Total, Worker};
use std::collections::VecDeque;

/// Plants each bug in turn and prints the first seed that finds it. Returns whether all were found.
///
/// # Errors
/// A process cannot be started, or ends before its seeds.
pub(crate) fn find_planted(seeds: Seeds) -> Result<bool, String> {
    let mut running: VecDeque<(PlantedBug, Worker)> = VecDeque::new();
    let bugs = PlantedBug::all(seeds.world);
    let mut waiting = bugs.iter().copied();
    let one = Seeds { step: 1, until_found: true, ..seeds };
    let mut missed = Vec::new();
    println!("{:<24} {:>10}  broken rule", "planted bug", "first seed");
    loop {
        while running.len() < seeds.jobs
            && let Some(bug) = waiting.next()
        {
            running.push_back((bug, one.start(Some(bug))?));
        }
        let Some((bug, worker)) = running.pop_front() else { break };
        let mut total = Total::default();
        worker.collect(&mut total)?;
        let name = bug.to_string();
        match total.failures.first() {
            Some(failure) => println!("{name:<24} {:>10}  {}", failure.seed, failure.violation),
            None => {
                println!("{name:<24} {:>10}", "none");
                missed.push(name);
            }
        }
    }
    let (all, found) = (bugs.len(), bugs.len() - missed.len());
    println!("{found} of {all} planted bugs are found within {} seeds", seeds.count);
    Ok(missed.is_empty())
}

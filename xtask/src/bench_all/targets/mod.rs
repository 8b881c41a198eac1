//! The promises of Spanwise relative to its rivals, and whether this run met them.

mod at_least;
mod at_most;
mod plugin;
mod resources;
mod rows;
mod target;
mod tracing;

use super::row::Row;
use rows::ALONE;
pub(super) use rows::{API, NATIVE, PACED, Quantity, Rows};
pub(super) use target::Target;

/// All promises against these rows.
pub(super) fn judge(rows: &[Row]) -> Vec<Target> {
    let by_name = Rows(rows);
    let mut targets = at_least::judge(by_name);
    targets.extend(at_most::judge(by_name));
    targets.extend(resources::judge(by_name));
    targets.extend(plugin::judge(by_name));
    targets.extend(tracing::judge(by_name));
    // With `--only`, of what was asked for.
    targets.retain(|target| rows.iter().any(|row| row.workload == target.workload));
    let order = super::contest::workloads();
    targets.sort_by_key(|target| order.iter().position(|&name| name == target.workload));
    targets
}

/// Whether a target compares the instructions of this row.
pub(super) fn compares_instructions(row: &Row) -> bool {
    row.workload == at_most::BUILDER && [API, ALONE].contains(&row.implementation.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_all::contest;

    #[test]
    fn every_side_is_in_the_contest() {
        let entries = contest::entries();
        let sides = at_least::sides().into_iter().chain(at_most::sides());
        let sides = sides.chain(resources::sides()).chain(plugin::sides()).chain(tracing::sides());
        for (workload, name) in sides {
            let known = entries
                .iter()
                .any(|entry| entry.workload == workload && entry.implementation == name);
            assert!(known, "{name} on {workload}");
        }
    }

    #[test]
    fn every_target_is_of_a_workload_that_ran() {
        let rows = [Row::new("w1", API)];
        let targets = judge(&rows);
        assert!(!targets.is_empty());
        assert!(targets.iter().all(|target| target.workload == "w1" && !target.met));
    }
}

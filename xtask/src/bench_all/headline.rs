//! The ratios that may stand in a headline: the stock SDK under the allocator that it is best under, and
//! Spanwise under the same one.

use super::row::Row;
use super::targets::{API, NATIVE, PACED, Quantity, Rows};

/// A workload, an implementation of ours and its ratios.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) cells: [String; 7],
}

/// The names of the cells.
pub(super) const HEADINGS: [&str; 7] =
    ["", "", "allocator", "SDK, wall / CPU ns", "ours, wall / CPU ns", "wall", "CPU"];

/// The sentence above the table.
pub(super) const TITLE: &str =
    "Against the stock SDK under its best allocator, both under the same one";

/// A line for each workload and implementation that was measured under all allocators.
pub(super) fn lines(rows: &[Row]) -> Vec<Line> {
    let rows = Rows(rows);
    let pairs = WORKLOADS.iter().flat_map(|&workload| [(workload, API), (workload, NATIVE)]);
    pairs.filter_map(|(workload, ours)| line(rows, workload, ours)).collect()
}

fn line(rows: Rows<'_>, workload: &str, ours: &str) -> Option<Line> {
    // One allocator a line: the one of the shortest time on the wall.
    let allocator = rows.best_of_the_sdk(workload, Quantity::Wall)?;
    let theirs = rows.over(workload, PACED, allocator)?;
    let row = rows.over(workload, ours, allocator)?;
    let times = |row: &Row| Some(format!("{:.0} / {:.0}", row.ns()?, row.cpu_ns()?));
    let ratio =
        |quantity: Quantity| Some(format!("{:.1}×", quantity.of(theirs)? / quantity.of(row)?));
    Some(Line {
        cells: [
            workload.to_owned(),
            ours.to_owned(),
            allocator.to_owned(),
            times(theirs)?,
            times(row)?,
            ratio(Quantity::Wall)?,
            ratio(Quantity::Cpu)?,
        ],
    })
}

const WORKLOADS: &[&str] = &["w1", "w3", "w3-builder", "w3-in-span", "w1-boxed-in-span"];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_has_both_sides_under_one_allocator() {
        let row = |name: &str, ns: f64| {
            let mut row = Row::new("w3", name);
            row.add(&json!({"ns": [ns], "cpu_ns": [2.0 * ns]}), None);
            row
        };
        let rows = [
            row("spanwise", 100.0),
            row("spanwise-jemalloc", 80.0),
            row("otel-sdk-paced", 900.0),
            row("otel-sdk-paced-mimalloc", 400.0),
            row("otel-sdk-paced-jemalloc", 320.0),
        ];
        let cells = ["w3", "spanwise", "jemalloc", "320 / 640", "80 / 160", "4.0×", "4.0×"];
        assert_eq!(lines(&rows), [Line { cells: cells.map(str::to_owned) }]);
        assert_eq!(lines(rows.get(..4).unwrap_or_default()), []);
    }
}

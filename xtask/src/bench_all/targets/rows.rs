//! The rows by name, and their numbers.

use crate::bench_all::contest::OTHER_ALLOCATORS;
use crate::bench_all::row::Row;

/// All rows of a run.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench_all) struct Rows<'a>(pub(in crate::bench_all) &'a [Row]);

/// A number of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench_all) enum Quantity {
    /// Wall nanoseconds per span and thread.
    Wall,
    /// Processor nanoseconds per span, all threads.
    Cpu,
    /// Spans per second; more is better.
    Rate,
}

impl Quantity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "CPU",
            Self::Rate => "spans/s",
        }
    }

    pub(in crate::bench_all) fn of(self, row: &Row) -> Option<f64> {
        match self {
            Self::Wall => row.ns(),
            Self::Cpu => row.cpu_ns(),
            Self::Rate => row.spans_per_second(),
        }
    }

    /// How many times better `ours` is than `theirs`.
    pub(super) fn ratio(self, ours: &Row, theirs: &Row) -> Option<f64> {
        let (ours, theirs) = (self.of(ours)?, self.of(theirs)?);
        Some(if self == Self::Rate { ours / theirs } else { theirs / ours })
    }
}

impl<'a> Rows<'a> {
    pub(in crate::bench_all) fn get(self, workload: &str, implementation: &str) -> Option<&'a Row> {
        self.0.iter().find(|row| row.workload == workload && row.implementation == implementation)
    }

    /// The implementation over the allocator.
    pub(in crate::bench_all) fn over(
        self,
        workload: &str,
        implementation: &str,
        allocator: &str,
    ) -> Option<&'a Row> {
        self.get(workload, &over(implementation, allocator))
    }

    /// The allocator under which the stock SDK has its lowest number.
    pub(in crate::bench_all) fn best_of_the_sdk(
        self,
        workload: &str,
        quantity: Quantity,
    ) -> Option<&'static str> {
        self.best_allocator(workload, PACED, quantity)
    }

    /// The allocator under which `implementation` has its lowest number.
    pub(super) fn best_allocator(
        self,
        workload: &str,
        implementation: &str,
        quantity: Quantity,
    ) -> Option<&'static str> {
        let number = |allocator| quantity.of(self.over(workload, implementation, allocator)?);
        let numbers = ALLOCATORS.iter().map(|&allocator| Some((number(allocator)?, allocator)));
        // Without one of them, the best one is not known.
        let numbers = numbers.collect::<Option<Vec<_>>>()?;
        numbers.into_iter().min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, allocator)| allocator)
    }
}

/// The name of `implementation` over `allocator`.
pub(in crate::bench_all) fn over(implementation: &str, allocator: &str) -> String {
    if allocator == SYSTEM {
        implementation.to_owned()
    } else {
        format!("{implementation}-{allocator}")
    }
}

pub(in crate::bench_all) const API: &str = "spanwise";
pub(in crate::bench_all) const NATIVE: &str = "spanwise-native";
pub(in crate::bench_all) const PACED: &str = "otel-sdk-paced";
/// The stock SDK with our processor.
pub(super) const PLUGIN: &str = "spanwise-plugin";
/// The API over a tracer that does nothing.
pub(super) const ALONE: &str = "opentelemetry-api";
pub(super) const PROTOTYPE: &str = "floor-prototype";

/// The name of the allocator without a suffix.
pub(in crate::bench_all) const SYSTEM: &str = "system";
pub(in crate::bench_all) const ALLOCATORS: [&str; 3] =
    [SYSTEM, OTHER_ALLOCATORS[0], OTHER_ALLOCATORS[1]];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_best_allocator_is_the_one_of_the_lowest_number() {
        let row = |name: &str, ns: f64, cpu: f64| {
            let mut row = Row::new("w1", name);
            row.add(&json!({"ns": [ns], "cpu_ns": [cpu]}), None);
            row
        };
        let rows = [
            row("otel-sdk-paced", 300.0, 500.0),
            row("otel-sdk-paced-mimalloc", 200.0, 400.0),
            row("otel-sdk-paced-jemalloc", 210.0, 350.0),
        ];
        let best = |rows, quantity| Rows(rows).best_of_the_sdk("w1", quantity);
        assert_eq!(best(&rows, Quantity::Wall), Some("mimalloc"));
        assert_eq!(best(&rows, Quantity::Cpu), Some("jemalloc"));
        assert_eq!(best(rows.get(..2).unwrap_or_default(), Quantity::Wall), None);
    }
}

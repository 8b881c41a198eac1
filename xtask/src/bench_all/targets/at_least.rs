//! Ratios to a rival that have to reach a number.

#[cfg(test)]
use super::rows::over;
use super::rows::{ALLOCATORS, API, NATIVE, PACED, PLUGIN, Quantity, Rows};
use super::target::Target;
use Quantity::{Cpu, Rate, Wall};

/// `rival`'s number over ours, or the other way round for rates.
struct Ratio {
    workload: &'static str,
    ours: &'static str,
    rival: Rival,
    quantity: Quantity,
    at_least: f64,
}

#[derive(Debug, Clone, Copy)]
enum Rival {
    /// Of the same workload.
    Of(&'static str),
    /// Of another workload: its name, then the implementation.
    On(&'static str, &'static str),
    /// The stock SDK under the allocator that it is best under, and ours under the same one.
    BestAllocator,
    /// The stock SDK, both under the same allocator: the smallest of the ratios of all allocators.
    EachAllocator,
}

/// Judges all ratios.
pub(super) fn judge(rows: Rows<'_>) -> Vec<Target> {
    RATIOS.iter().map(|ratio| ratio.judge(rows)).collect()
}

impl Ratio {
    fn judge(&self, rows: Rows<'_>) -> Target {
        let &Self { workload, ours, rival, quantity, at_least } = self;
        let same = |allocator: &'static str| {
            let pair =
                rows.over(workload, ours, allocator).zip(rows.over(workload, PACED, allocator));
            pair.and_then(|(ours, theirs)| quantity.ratio(ours, theirs))
        };
        let of = |workload, rival: &str| {
            let pair = rows.get(self.workload, ours).zip(rows.get(workload, rival));
            pair.and_then(|(ours, theirs)| quantity.ratio(ours, theirs))
        };
        let (rival, ratio, allocator) = match rival {
            Rival::Of(name) => (name.to_owned(), of(workload, name), None),
            Rival::On(other, name) => (format!("{name} on {other}"), of(other, name), None),
            Rival::BestAllocator => {
                let best = rows.best_of_the_sdk(workload, quantity);
                (format!("{PACED}, its best allocator"), best.and_then(same), best)
            }
            Rival::EachAllocator => {
                let all = ALLOCATORS.map(|name| Some((same(name)?, name)));
                let all = all.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default();
                let least = all.into_iter().min_by(|(a, _), (b, _)| a.total_cmp(b));
                let (ratio, name) = least.unzip();
                (format!("{PACED}, each allocator"), ratio, name)
            }
        };
        let name = format!("{ours} against {rival}, {}", quantity.name());
        let mut target = Target::at_least(workload, name, ratio, at_least);
        if let (Some(measured), Some(allocator)) = (&mut target.measured, allocator) {
            *measured += &format!(" {allocator}");
        }
        target
    }

    /// Workload and implementation of both sides.
    #[cfg(test)]
    fn sides(&self) -> Vec<(&'static str, String)> {
        let &Self { workload, ours, .. } = self;
        let both = |allocator| [ours, PACED].map(|name| (workload, over(name, allocator)));
        match self.rival {
            Rival::Of(name) => vec![(workload, ours.to_owned()), (workload, name.to_owned())],
            Rival::On(other, name) => vec![(workload, ours.to_owned()), (other, name.to_owned())],
            _ => ALLOCATORS.into_iter().flat_map(both).collect(),
        }
    }
}

#[cfg(test)]
pub(super) fn sides() -> Vec<(&'static str, String)> {
    RATIOS.iter().flat_map(Ratio::sides).collect()
}

const fn ratio(
    workload: &'static str,
    ours: &'static str,
    rival: Rival,
    quantity: Quantity,
    at_least: f64,
) -> Ratio {
    Ratio { workload, ours, rival, quantity, at_least }
}

const SDK: Rival = Rival::Of(PACED);
const STOCK: Rival = Rival::Of("otel-sdk");
/// The end of a span alone with the SDK's batch processor.
const BSP: Rival = Rival::Of("otel-sdk-bsp");
const FASTRACE: Rival = Rival::Of("fastrace");
const BEST: Rival = Rival::BestAllocator;
const EACH: Rival = Rival::EachAllocator;

const RATIOS: &[Ratio] = &[
    ratio("w1", API, BEST, Wall, 5.0),
    ratio("w1", API, BEST, Cpu, 6.0),
    ratio("w1", API, SDK, Wall, 7.0),
    ratio("w1", API, SDK, Cpu, 11.0),
    ratio("w1", NATIVE, SDK, Wall, 12.0),
    ratio("w1", NATIVE, SDK, Cpu, 18.0),
    ratio("w1", NATIVE, FASTRACE, Wall, 1.0),
    ratio("w1", NATIVE, FASTRACE, Cpu, 1.0),
    ratio("w1-off", API, STOCK, Wall, 6.0),
    ratio("w1-off", NATIVE, STOCK, Wall, 18.0),
    ratio("w2", API, SDK, Rate, 9.0),
    ratio("w2", NATIVE, Rival::On("w1", NATIVE), Rate, 1.6),
    ratio("w3", API, BEST, Wall, 3.2),
    ratio("w3", API, BEST, Cpu, 4.0),
    ratio("w3", NATIVE, BEST, Wall, 4.3),
    ratio("w3", NATIVE, BEST, Cpu, 4.8),
    ratio("w3", API, SDK, Wall, 4.3),
    ratio("w3", API, SDK, Cpu, 7.0),
    ratio("w3", NATIVE, SDK, Wall, 14.0),
    ratio("w3", NATIVE, SDK, Cpu, 20.0),
    ratio("w3", NATIVE, FASTRACE, Wall, 1.0),
    ratio("w3", NATIVE, FASTRACE, Cpu, 1.0),
    ratio("w3-end", PLUGIN, BSP, Wall, 2.0),
    ratio("w3-builder", API, BEST, Wall, 3.0),
    ratio("w3-builder", API, BEST, Cpu, 3.6),
    ratio("w3-builder", API, SDK, Wall, 7.0),
    ratio("w3-builder", API, SDK, Cpu, 8.0),
    ratio("w3-in-span", API, EACH, Wall, 3.5),
    ratio("w1-boxed", API, STOCK, Wall, 1.6),
    ratio("w1-boxed-in-span", API, EACH, Wall, 3.5),
    ratio("encode", API, STOCK, Wall, 200.0),
    ratio("encode-json", API, STOCK, Cpu, 4.0),
    ratio("e2e-grpc", API, SDK, Rate, 10.0),
    ratio("e2e-grpc", API, SDK, Cpu, 12.0),
    ratio("e2e-grpc", PLUGIN, SDK, Rate, 3.0),
    ratio("e2e-grpc", PLUGIN, SDK, Cpu, 4.0),
    ratio("e2e-http", API, SDK, Rate, 14.0),
    ratio("e2e-http", API, SDK, Cpu, 20.0),
    ratio("e2e-http", PLUGIN, SDK, Rate, 3.0),
    ratio("e2e-http", PLUGIN, SDK, Cpu, 4.0),
    ratio("e2e-http-gzip", API, SDK, Cpu, 2.5),
    ratio("e2e-http-zstd", API, SDK, Cpu, 3.0),
    ratio("e2e-grpc-zstd", API, SDK, Cpu, 3.0),
    ratio("e2e-json", API, SDK, Cpu, 5.0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_all::row::Row;
    use serde_json::json;

    fn row(workload: &str, implementation: &str, ns: f64, cpu: f64) -> Row {
        let mut row = Row::new(workload, implementation);
        let rate = 1e9 / ns;
        row.add(&json!({"ns": [ns], "cpu_ns": [cpu], "spans_per_second": [rate]}), None);
        row
    }

    /// Whether the target of that workload and name is met, and the measurement.
    fn outcome(rows: &[Row], workload: &str, name: &str) -> (bool, Option<String>) {
        let targets = judge(Rows(rows));
        let found =
            targets.iter().find(|target| target.workload == workload && target.name == name);
        found.map(|target| (target.met, target.measured.clone())).expect(name)
    }

    #[test]
    fn ratios_point_the_right_way() {
        let rows = [row("w1", API, 10.0, 10.0), row("w1", PACED, 70.0, 109.0)];
        let of_w1 = |name| outcome(&rows, "w1", name);
        let measured = |text: &str| Some(text.to_owned());
        assert_eq!(of_w1("spanwise against otel-sdk-paced, wall"), (true, measured("7.0×")));
        assert_eq!(of_w1("spanwise against otel-sdk-paced, CPU"), (false, measured("10.9×")));
        assert_eq!(of_w1("spanwise-native against otel-sdk-paced, wall"), (false, None));
        let rows = [row("w2", API, 10.0, 10.0), row("w2", PACED, 100.0, 100.0)];
        let rate = outcome(&rows, "w2", "spanwise against otel-sdk-paced, spans/s");
        assert_eq!(rate, (true, measured("10.0×")));
    }

    #[test]
    fn both_sides_have_the_allocator_that_is_best_for_the_sdk() {
        let mut rows = vec![
            row("w1", "spanwise", 40.0, 50.0),
            row("w1", "spanwise-mimalloc", 50.0, 50.0),
            row("w1", "spanwise-jemalloc", 10.0, 50.0),
            row("w1", "otel-sdk-paced", 500.0, 500.0),
            row("w1", "otel-sdk-paced-mimalloc", 200.0, 299.0),
        ];
        let name = "spanwise against otel-sdk-paced, its best allocator";
        assert_eq!(outcome(&rows, "w1", &format!("{name}, wall")), (false, None));
        rows.push(row("w1", "otel-sdk-paced-jemalloc", 300.0, 300.0));
        let wall = outcome(&rows, "w1", &format!("{name}, wall"));
        assert_eq!(wall, (false, Some("4.0× mimalloc".to_owned())));
        let cpu = outcome(&rows, "w1", &format!("{name}, CPU"));
        assert_eq!(cpu, (false, Some("6.0× mimalloc".to_owned())));
    }

    #[test]
    fn the_smallest_ratio_of_all_allocators_decides() {
        let rows = |jemalloc| {
            [
                row("w3-in-span", "spanwise", 100.0, 1.0),
                row("w3-in-span", "spanwise-mimalloc", 100.0, 1.0),
                row("w3-in-span", "spanwise-jemalloc", 100.0, 1.0),
                row("w3-in-span", "otel-sdk-paced", 900.0, 1.0),
                row("w3-in-span", "otel-sdk-paced-mimalloc", 400.0, 1.0),
                row("w3-in-span", "otel-sdk-paced-jemalloc", jemalloc, 1.0),
            ]
        };
        let name = "spanwise against otel-sdk-paced, each allocator, wall";
        let outcome = |rows: &[Row]| outcome(rows, "w3-in-span", name);
        assert_eq!(outcome(&rows(340.0)), (false, Some("3.4× jemalloc".to_owned())));
        assert_eq!(outcome(&rows(500.0)), (true, Some("4.0× mimalloc".to_owned())));
        assert_eq!(outcome(rows(500.0).get(..5).unwrap_or_default()), (false, None));
    }
}

//! The promises of Spanwise relative to its rivals, and whether this run met them.

use super::row::Row;

/// One promise and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) workload: &'static str,
    pub(super) name: String,
    pub(super) wanted: String,
    /// `None` when a side was not measured.
    pub(super) measured: Option<String>,
    pub(super) met: bool,
}

/// All promises against these rows.
pub(super) fn judge(rows: &[Row]) -> Vec<Target> {
    let judge = Judge { rows };
    let mut targets: Vec<Target> = RATIOS.iter().map(|ratio| judge.ratio(ratio)).collect();
    for (workload, implementation, limit) in [
        ("w1", API, Limit::Zero),
        ("w1", NATIVE, Limit::Zero),
        ("w3", API, Limit::OfTheApi),
        ("w3", NATIVE, Limit::Zero),
    ] {
        targets.push(judge.allocations(workload, implementation, &limit));
    }
    for workload in ["e2e-grpc", "e2e-http"] {
        targets.push(judge.memory(workload));
    }
    targets.push(judge.share_exported());
    // With `--only`, of what was asked for.
    targets.retain(|target| rows.iter().any(|row| row.workload == target.workload));
    targets.sort_by_key(|target| ORDER.iter().position(|&name| name == target.workload));
    targets
}

/// `rival`'s number over ours, or the other way round for rates.
struct Ratio {
    workload: &'static str,
    ours: &'static str,
    /// Workload and implementation.
    rival: (&'static str, &'static str),
    quantity: Quantity,
    at_least: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Wall,
    Cpu,
    Rate,
}

enum Limit {
    Zero,
    OfTheApi,
}

struct Judge<'a> {
    rows: &'a [Row],
}

impl Judge<'_> {
    fn row(&self, workload: &str, implementation: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.workload == workload && row.implementation == implementation)
    }

    fn ratio(&self, ratio: &Ratio) -> Target {
        let &Ratio { workload, ours, rival, quantity, at_least } = ratio;
        let measured = self.row(workload, ours).zip(self.row(rival.0, rival.1));
        let measured = measured.and_then(|(ours, theirs)| {
            Some(match quantity {
                Quantity::Wall => theirs.ns()? / ours.ns()?,
                Quantity::Cpu => theirs.cpu_ns()? / ours.cpu_ns()?,
                Quantity::Rate => ours.spans_per_second()? / theirs.spans_per_second()?,
            })
        });
        let what = match quantity {
            Quantity::Wall => "wall",
            Quantity::Cpu => "CPU",
            Quantity::Rate => "spans/s",
        };
        let rival = if rival.0 == workload {
            rival.1.to_owned()
        } else {
            format!("{} on {}", rival.1, rival.0)
        };
        Target {
            workload,
            name: format!("{ours} against {rival}, {what}"),
            wanted: format!("≥ {at_least}×"),
            met: measured.is_some_and(|measured| measured >= at_least),
            measured: measured.map(|measured| format!("{measured:.1}×")),
        }
    }

    fn allocations(&self, workload: &'static str, ours: &str, limit: &Limit) -> Target {
        let (wanted, most) = match limit {
            Limit::Zero => ("0".to_owned(), Some(0.0)),
            Limit::OfTheApi => {
                let api = self.row(workload, "opentelemetry-api").and_then(|row| row.allocs);
                let count = api.map_or(String::new(), |allocs| format!(", {allocs:.2}"));
                (format!("≤ the API's own{count}"), api)
            }
        };
        let measured = self.row(workload, ours).and_then(|row| row.allocs);
        Target {
            workload,
            name: format!("{ours}, allocations a span"),
            wanted,
            met: measured.zip(most).is_some_and(|(measured, most)| measured <= most + 0.005),
            measured: measured.map(|measured| format!("{measured:.2}")),
        }
    }

    fn memory(&self, workload: &'static str) -> Target {
        let peak = |name| self.row(workload, name).map(|row| row.rss_peak_bytes);
        let both = peak(API).zip(peak(PACED));
        Target {
            workload,
            name: format!("{API}, peak resident memory"),
            wanted: match both {
                Some((_, theirs)) => format!("≤ {PACED}'s {} + 16 MiB", mib(theirs)),
                None => format!("≤ {PACED}'s + 16 MiB"),
            },
            met: both.is_some_and(|(ours, theirs)| ours <= theirs + (16 << 20)),
            measured: both.map(|(ours, _)| mib(ours)),
        }
    }

    fn share_exported(&self) -> Target {
        let exported = |name| self.row("e2e-default", name).and_then(Row::exported);
        let both = exported(API).zip(exported("otel-sdk"));
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        Target {
            workload: "e2e-default",
            name: format!("{API}, spans exported at full speed"),
            wanted: match both {
                Some((_, theirs)) => format!("≥ otel-sdk's {}", percent(theirs)),
                None => "≥ otel-sdk's".to_owned(),
            },
            met: both.is_some_and(|(ours, theirs)| ours >= theirs),
            measured: both.map(|(ours, _)| percent(ours)),
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

const API: &str = "spanwise";
const NATIVE: &str = "spanwise-native";
const PACED: &str = "otel-sdk-paced";
const ORDER: &[&str] =
    &["w1", "w1-off", "w2", "w3", "w1-boxed", "encode", "e2e-grpc", "e2e-http", "e2e-default"];

const fn ratio(
    workload: &'static str,
    ours: &'static str,
    rival: &'static str,
    quantity: Quantity,
    at_least: f64,
) -> Ratio {
    Ratio { workload, ours, rival: (workload, rival), quantity, at_least }
}

const RATIOS: &[Ratio] = &[
    ratio("w1", API, PACED, Quantity::Wall, 7.0),
    ratio("w1", API, PACED, Quantity::Cpu, 11.0),
    ratio("w1", NATIVE, PACED, Quantity::Wall, 12.0),
    ratio("w1", NATIVE, PACED, Quantity::Cpu, 18.0),
    ratio("w1", NATIVE, "fastrace", Quantity::Wall, 1.0),
    ratio("w1", NATIVE, "fastrace", Quantity::Cpu, 1.0),
    ratio("w1-off", API, "otel-sdk", Quantity::Wall, 6.0),
    ratio("w1-off", NATIVE, "otel-sdk", Quantity::Wall, 18.0),
    ratio("w2", API, PACED, Quantity::Rate, 9.0),
    Ratio {
        workload: "w2",
        ours: NATIVE,
        rival: ("w1", NATIVE),
        quantity: Quantity::Rate,
        at_least: 1.6,
    },
    ratio("w3", API, PACED, Quantity::Wall, 4.3),
    ratio("w3", API, PACED, Quantity::Cpu, 7.0),
    ratio("w3", NATIVE, PACED, Quantity::Wall, 14.0),
    ratio("w3", NATIVE, PACED, Quantity::Cpu, 20.0),
    ratio("w3", NATIVE, "fastrace", Quantity::Wall, 1.0),
    ratio("w3", NATIVE, "fastrace", Quantity::Cpu, 1.0),
    ratio("w1-boxed", API, "otel-sdk", Quantity::Wall, 1.6),
    ratio("encode", API, "otel-sdk", Quantity::Wall, 200.0),
    ratio("e2e-grpc", API, PACED, Quantity::Rate, 10.0),
    ratio("e2e-grpc", API, PACED, Quantity::Cpu, 12.0),
    ratio("e2e-http", API, PACED, Quantity::Rate, 14.0),
    ratio("e2e-http", API, PACED, Quantity::Cpu, 20.0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_all::contest;
    use serde_json::json;

    fn row(implementation: &str, ns: f64, cpu: f64, rate: f64) -> Row {
        let mut row = Row::new("w1", implementation);
        row.add(&json!({"ns": [ns], "cpu_ns": [cpu], "spans_per_second": [rate]}));
        row
    }

    #[test]
    fn ratios_point_the_right_way() {
        let rows = [row(API, 10.0, 10.0, 1e8), row(PACED, 70.0, 109.0, 1e6)];
        let targets = judge(&rows);
        let met = |name: &str| {
            let target = targets.iter().find(|target| target.name == name);
            target.map(|target| (target.met, target.measured.clone()))
        };
        assert_eq!(
            met("spanwise against otel-sdk-paced, wall"),
            Some((true, Some("7.0×".to_owned())))
        );
        assert_eq!(
            met("spanwise against otel-sdk-paced, CPU"),
            Some((false, Some("10.9×".to_owned())))
        );
        assert_eq!(met("spanwise-native against otel-sdk-paced, wall"), Some((false, None)));
    }

    #[test]
    fn every_side_is_in_the_contest() {
        let entries = contest::entries();
        for ratio in RATIOS {
            for (workload, name) in [(ratio.workload, ratio.ours), ratio.rival] {
                let known = entries
                    .iter()
                    .any(|entry| entry.workload == workload && entry.implementation == name);
                assert!(known, "{name} on {workload}");
            }
        }
    }
}

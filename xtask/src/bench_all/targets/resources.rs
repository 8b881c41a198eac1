//! Allocations, memory, and the share of spans that arrive.

use super::rows::{ALONE, API, NATIVE, PACED, Rows};
use super::target::Target;
use crate::bench_all::contest::{W1_RATIO, W3_RATIO};
use crate::bench_all::row::Row;

/// Judges all of them.
pub(super) fn judge(rows: Rows<'_>) -> Vec<Target> {
    let allocations =
        ALLOCATIONS.iter().map(|&(workload, ours, limit)| allocations(rows, workload, ours, limit));
    let memory = MEMORY.iter().map(|workload| memory(rows, workload));
    allocations.chain(memory).chain([share_exported(rows)]).collect()
}

#[derive(Debug, Clone, Copy)]
enum Limit {
    Zero,
    /// Those of the API alone on the same workload.
    OfTheApi,
}

fn allocations(rows: Rows<'_>, workload: &'static str, ours: &'static str, limit: Limit) -> Target {
    let (wanted, most) = match limit {
        Limit::Zero => ("0".to_owned(), Some(0.0)),
        Limit::OfTheApi => {
            let api = rows.get(workload, ALONE).and_then(|row| row.allocs);
            let count = api.map_or(String::new(), |allocs| format!(", {allocs:.2}"));
            (format!("≤ the API's own{count}"), api)
        }
    };
    let measured = rows.get(workload, ours).and_then(|row| row.allocs);
    Target {
        workload,
        name: format!("{ours}, allocations a span"),
        wanted,
        met: measured.zip(most).is_some_and(|(measured, most)| measured <= most + 0.005),
        measured: measured.map(|measured| format!("{measured:.2}")),
    }
}

fn memory(rows: Rows<'_>, workload: &'static str) -> Target {
    let peak = |name| rows.get(workload, name).map(|row| row.rss_peak_bytes);
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

fn share_exported(rows: Rows<'_>) -> Target {
    let exported = |name| rows.get(FULL_SPEED, name).and_then(Row::exported);
    let both = exported(API).zip(exported(STOCK));
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    Target {
        workload: FULL_SPEED,
        name: format!("{API}, spans exported at full speed"),
        wanted: match both {
            Some((_, theirs)) => format!("≥ {STOCK}'s {}", percent(theirs)),
            None => format!("≥ {STOCK}'s"),
        },
        met: both.is_some_and(|(ours, theirs)| ours >= theirs),
        measured: both.map(|(ours, _)| percent(ours)),
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
pub(super) fn sides() -> Vec<(&'static str, String)> {
    let mut sides: Vec<(&'static str, &'static str)> = vec![(FULL_SPEED, API), (FULL_SPEED, STOCK)];
    for &(workload, ours, limit) in ALLOCATIONS {
        sides.push((workload, ours));
        if let Limit::OfTheApi = limit {
            sides.push((workload, ALONE));
        }
    }
    for &workload in MEMORY {
        sides.extend([(workload, API), (workload, PACED)]);
    }
    sides.into_iter().map(|(workload, name)| (workload, name.to_owned())).collect()
}

const STOCK: &str = "otel-sdk";
const FULL_SPEED: &str = "e2e-default";
const MEMORY: &[&str] = &["e2e-grpc", "e2e-http"];
const ALLOCATIONS: &[(&str, &str, Limit)] = &[
    ("w1", API, Limit::Zero),
    ("w1", NATIVE, Limit::Zero),
    (W1_RATIO, NATIVE, Limit::Zero),
    (W1_RATIO, API, Limit::OfTheApi),
    ("w3", API, Limit::OfTheApi),
    ("w3", NATIVE, Limit::Zero),
    (W3_RATIO, NATIVE, Limit::Zero),
    (W3_RATIO, API, Limit::OfTheApi),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_apis_own_allocations_are_allowed_and_no_more() {
        let row = |name, allocs: f64| {
            let mut row = Row::new(W3_RATIO, name);
            row.add_allocations(&json!({"allocs": allocs}));
            row
        };
        let met = |ours, api| {
            let targets = judge(Rows(&[row(API, ours), row(ALONE, api), row(NATIVE, ours)]));
            let of = |name: &str| {
                let mut found = targets.iter().filter(|target| target.workload == W3_RATIO);
                found.find(|target| target.name.starts_with(&format!("{name},"))).unwrap().met
            };
            (of(API), of(NATIVE))
        };
        assert_eq!(met(3.6, 3.6), (true, false));
        assert_eq!(met(3.8, 3.6), (false, false));
        assert_eq!(met(0.0, 0.0), (true, true));
    }
}

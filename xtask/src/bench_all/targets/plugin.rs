//! Our processor inside of the stock SDK: the cost of an end, the share of spans that it exports, and its
//! allocations.

use super::rows::{PACED, PLUGIN, Quantity, Rows};
use super::target::Target;
use crate::bench_all::row::Row;

/// Judges all of them.
pub(super) fn judge(rows: Rows<'_>) -> Vec<Target> {
    vec![
        end(rows, Quantity::Wall, 2.0),
        end(rows, Quantity::Cpu, 3.0),
        full_speed(rows),
        allocations(rows),
    ]
}

/// The cost of an end beyond that of a span that the SDK makes and a processor drops: the SDK's processor frees
/// spans on another thread, so that their next allocations cost more, and no clock around `on_end` shows it.
fn end(rows: Rows<'_>, quantity: Quantity, least: f64) -> Target {
    let number = |name| quantity.of(rows.get(FULL_SPEED, name)?);
    let beyond = |name| Some(number(name)? - number(DROPPING)?);
    let is_measured = |(ours, theirs): &(f64, f64)| *ours > 0.0 && *theirs > 0.0;
    let both = beyond(PLUGIN).zip(beyond(PACED)).filter(is_measured);
    let ratio = both.map(|(ours, theirs)| theirs / ours);
    let name = format!("{PLUGIN} against {PACED}, beyond {DROPPING}, {}", quantity.name());
    Target::at_least(FULL_SPEED, name, ratio, least)
}

/// At full speed in front of an exporter that drops: our processor loses nothing where the SDK's loses a fifth.
fn full_speed(rows: Rows<'_>) -> Target {
    let exported = |name| rows.get(FULL_SPEED, name).and_then(Row::exported);
    let both = exported(PLUGIN).zip(exported(STOCK));
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    Target {
        workload: FULL_SPEED,
        name: format!("{PLUGIN} and {STOCK}, spans exported at full speed"),
        wanted: "100 %, and at most 80 %".to_owned(),
        met: both.is_some_and(|(ours, theirs)| ours >= 1.0 && theirs <= 0.8),
        measured: both.map(|(ours, theirs)| format!("{}, {}", percent(ours), percent(theirs))),
    }
}

/// The end of a span allocates nothing.
fn allocations(rows: Rows<'_>) -> Target {
    let measured = rows.get(END, PLUGIN).and_then(|row| row.allocs);
    Target {
        workload: END,
        name: format!("{PLUGIN}, allocations a span"),
        wanted: "0".to_owned(),
        met: measured.is_some_and(|allocs| allocs <= 0.005),
        measured: measured.map(|allocs| format!("{allocs:.2}")),
    }
}

#[cfg(test)]
pub(super) fn sides() -> Vec<(&'static str, String)> {
    let sides = [PLUGIN, STOCK, PACED, DROPPING].map(|name| (FULL_SPEED, name.to_owned()));
    sides.into_iter().chain([(END, PLUGIN.to_owned())]).collect()
}

const FULL_SPEED: &str = "w3";
const END: &str = "w3-end";
const STOCK: &str = "otel-sdk";
/// The SDK with a processor that drops.
const DROPPING: &str = "otel-sdk-dropping";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_end_is_counted_without_the_span() {
        let row = |name, ns: f64| {
            let mut row = Row::new(FULL_SPEED, name);
            row.add(&json!({"ns": [ns], "cpu_ns": [ns]}), None);
            row
        };
        let of = |ours, theirs| {
            let rows = [row(PLUGIN, ours), row(PACED, theirs), row(DROPPING, 200.0)];
            let target = end(Rows(&rows), Quantity::Wall, 2.0);
            (target.met, target.measured)
        };
        assert_eq!(of(300.0, 400.0), (true, Some("2.0×".to_owned())));
        assert_eq!(of(300.0, 390.0), (false, Some("1.9×".to_owned())));
        // Noise is no measurement.
        assert_eq!(of(199.0, 400.0), (false, None));
        assert_eq!(of(300.0, 199.0), (false, None));
    }

    #[test]
    fn nothing_is_lost_where_the_sdk_loses_a_fifth() {
        let row = |name, exported: u64| {
            let mut row = Row::new(FULL_SPEED, name);
            let counts =
                json!({"ns": [1.0], "made": 100, "exported": exported, "lost": 100 - exported});
            row.add(&counts, None);
            row
        };
        let met = |ours, theirs| full_speed(Rows(&[row(PLUGIN, ours), row(STOCK, theirs)])).met;
        assert!(met(100, 80));
        assert!(!met(99, 80) && !met(100, 81));
        assert!(!full_speed(Rows(&[row(PLUGIN, 100)])).met);
    }
}

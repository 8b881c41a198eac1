//! The layer for `tracing` beside tracing-opentelemetry with everything optional off, both behind the same filter.

#[cfg(test)]
use super::rows::over;
use super::rows::{ALLOCATORS, NATIVE, Quantity, Rows};
use super::target::Target;
use Quantity::{Cpu, Wall};

/// Judges all of them.
pub(super) fn judge(rows: Rows<'_>) -> Vec<Target> {
    let against = AGAINST.iter().map(|goal| against(rows, goal));
    let best = AGAINST.iter().filter(|goal| goal.workload != "w1-off").map(|goal| best(rows, goal));
    let limits = NANOS.iter().map(|limit| nanos(rows, limit));
    let natives = NANOS.iter().map(|limit| native(rows, limit));
    let allocations = ALLOCATIONS.iter().map(|limit| allocations(rows, limit));
    against.chain(best).chain(limits).chain(natives).chain(allocations).collect()
}

/// A ratio to the rival that one of ours has to reach.
struct Goal {
    workload: &'static str,
    ours: &'static str,
    quantity: Quantity,
    at_least: f64,
}

fn against(rows: Rows<'_>, goal: &Goal) -> Target {
    let &Goal { workload, ours, quantity, at_least } = goal;
    let ratio = ratio(rows, goal, SYSTEM);
    let name = format!("{ours} against {LEAN}, {}", quantity.name());
    Target::at_least(workload, name, ratio, at_least)
}

/// The same under the allocator that the rival is best under, for both sides.
fn best(rows: Rows<'_>, goal: &Goal) -> Target {
    let &Goal { workload, ours, quantity, at_least } = goal;
    let allocator = rows.best_allocator(workload, LEAN, quantity);
    let ratio = allocator.and_then(|allocator| ratio(rows, goal, allocator));
    let name = format!("{ours} against {LEAN}, its best allocator, {}", quantity.name());
    let mut target = Target::at_least(workload, name, ratio, at_least);
    if let (Some(measured), Some(allocator)) = (&mut target.measured, allocator) {
        *measured += &format!(" {allocator}");
    }
    target
}

fn ratio(rows: Rows<'_>, goal: &Goal, allocator: &str) -> Option<f64> {
    let ours = rows.over(goal.workload, goal.ours, allocator)?;
    goal.quantity.ratio(ours, rows.over(goal.workload, LEAN, allocator)?)
}

/// A number of one of ours that must not exceed a bound.
struct Limit {
    workload: &'static str,
    ours: &'static str,
    at_most: f64,
}

fn nanos(rows: Rows<'_>, limit: &Limit) -> Target {
    let &Limit { workload, ours, at_most } = limit;
    let measured = rows.get(workload, ours).and_then(|row| Wall.of(row));
    Target {
        workload,
        name: format!("{ours}, wall"),
        wanted: format!("≤ {at_most} ns"),
        met: measured.is_some_and(|measured| measured <= at_most),
        measured: measured.map(|measured| format!("{measured:.1} ns")),
    }
}

/// The same bound as a ratio to native spans, which another machine does not move: as much above them as the bound
/// was above theirs where it was set.
fn native(rows: Rows<'_>, limit: &Limit) -> Target {
    let &Limit { workload, ours, at_most } = limit;
    let bound = at_most / if workload == "w1" { NATIVE_W1_NANOS } else { NATIVE_W3_NANOS };
    // The table shows two digits.
    let bound = (bound * 100.0).round() / 100.0;
    let number = |name| Wall.of(rows.get(workload, name)?);
    let ratio = number(ours).zip(number(NATIVE)).map(|(ours, native)| ours / native);
    Target::at_most(workload, format!("{ours} against {NATIVE}, wall"), ratio, bound)
}

fn allocations(rows: Rows<'_>, limit: &Limit) -> Target {
    let &Limit { workload, ours, at_most } = limit;
    let measured = rows.get(workload, ours).and_then(|row| row.allocs);
    Target {
        workload,
        name: format!("{ours}, allocations a span"),
        wanted: if at_most == 0.0 { "0".to_owned() } else { format!("≤ {at_most}") },
        met: measured.is_some_and(|measured| measured <= at_most + 0.005),
        measured: measured.map(|measured| format!("{measured:.2}")),
    }
}

#[cfg(test)]
pub(super) fn sides() -> Vec<(&'static str, String)> {
    let mut sides = Vec::new();
    for &Goal { workload, ours, .. } in AGAINST {
        let allocators = if workload == "w1-off" { &ALLOCATORS[..1] } else { &ALLOCATORS[..] };
        let both = |&allocator: &&str| [ours, LEAN].map(|name| (workload, over(name, allocator)));
        sides.extend(allocators.iter().flat_map(both));
    }
    let limits = NANOS.iter().chain(ALLOCATIONS);
    sides.extend(limits.map(|limit| (limit.workload, limit.ours.to_owned())));
    sides.extend(NANOS.iter().map(|limit| (limit.workload, NATIVE.to_owned())));
    sides
}

const fn goal(
    workload: &'static str,
    ours: &'static str,
    quantity: Quantity,
    at_least: f64,
) -> Goal {
    Goal { workload, ours, quantity, at_least }
}

const fn limit(workload: &'static str, ours: &'static str, at_most: f64) -> Limit {
    Limit { workload, ours, at_most }
}

const SYSTEM: &str = ALLOCATORS[0];
/// The layer with its defaults: an entered span is the current one of the OpenTelemetry API.
const LAYER: &str = "spanwise-tracing";
/// The layer without that.
const ALONE: &str = "spanwise-tracing-no-context";
/// The subscriber without a registry.
const SUBSCRIBER: &str = "spanwise-tracing-subscriber";
/// tracing-opentelemetry with everything optional off.
const LEAN: &str = "tracing-otel-lean";
/// Native spans where the bounds in nanoseconds were set.
const NATIVE_W1_NANOS: f64 = 30.9;
const NATIVE_W3_NANOS: f64 = 48.5;

const AGAINST: &[Goal] = &[
    goal("w1", ALONE, Wall, 6.0),
    goal("w1", ALONE, Cpu, 7.0),
    goal("w1", LAYER, Wall, 4.0),
    goal("w1", LAYER, Cpu, 5.0),
    goal("w1-off", ALONE, Wall, 8.0),
    goal("w1-off", LAYER, Wall, 8.0),
    goal("w3", ALONE, Wall, 5.5),
    goal("w3", ALONE, Cpu, 7.0),
    goal("w3", LAYER, Wall, 4.0),
    goal("w3", LAYER, Cpu, 5.0),
];
const NANOS: &[Limit] = &[limit("w1", SUBSCRIBER, 45.0), limit("w3", SUBSCRIBER, 100.0)];
const ALLOCATIONS: &[Limit] = &[
    limit("w1", ALONE, 0.0),
    limit("w1", LAYER, 2.0),
    limit("w1", SUBSCRIBER, 0.0),
    limit("w1-off", ALONE, 0.0),
    limit("w1-off", LAYER, 1.0),
    limit("w3", ALONE, 0.0),
    limit("w3", LAYER, 2.0),
    limit("w3", SUBSCRIBER, 0.0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_all::row::Row;
    use serde_json::json;

    fn row(workload: &str, implementation: &str, ns: f64, allocs: f64) -> Row {
        let mut row = Row::new(workload, implementation);
        row.add(&json!({"ns": [ns], "cpu_ns": [2.0 * ns]}), None);
        row.add_allocations(&json!({"allocs": allocs}));
        row
    }

    fn outcome(rows: &[Row], workload: &str, name: &str) -> (bool, Option<String>) {
        let targets = judge(Rows(rows));
        let found =
            targets.iter().find(|target| target.workload == workload && target.name == name);
        found.map(|target| (target.met, target.measured.clone())).expect(name)
    }

    #[test]
    fn the_rival_costs_a_multiple() {
        let rows = [row("w1", ALONE, 100.0, 0.0), row("w1", LEAN, 650.0, 11.0)];
        let of =
            |quantity: &str| outcome(&rows, "w1", &format!("{ALONE} against {LEAN}, {quantity}"));
        assert_eq!(of("wall"), (true, Some("6.5×".to_owned())));
        assert_eq!(of("CPU"), (false, Some("6.5×".to_owned())));
        let unmeasured = outcome(&rows, "w3", &format!("{ALONE} against {LEAN}, wall"));
        assert_eq!(unmeasured, (false, None));
    }

    #[test]
    fn both_sides_have_the_allocator_that_is_best_for_the_rival() {
        let mut rows = vec![
            row("w3", LAYER, 100.0, 2.0),
            row("w3", "spanwise-tracing-mimalloc", 90.0, 2.0),
            row("w3", "spanwise-tracing-jemalloc", 50.0, 2.0),
            row("w3", LEAN, 900.0, 12.0),
            row("w3", "tracing-otel-lean-mimalloc", 450.0, 12.0),
        ];
        let name = format!("{LAYER} against {LEAN}, its best allocator, wall");
        assert_eq!(outcome(&rows, "w3", &name), (false, None));
        rows.push(row("w3", "tracing-otel-lean-jemalloc", 500.0, 12.0));
        assert_eq!(outcome(&rows, "w3", &name), (true, Some("5.0× mimalloc".to_owned())));
    }

    #[test]
    fn bounds_in_nanoseconds_and_as_a_ratio_to_native_spans() {
        let rows = [row("w1", SUBSCRIBER, 45.0, 0.0), row("w1", NATIVE, 30.0, 0.0)];
        let wall = outcome(&rows, "w1", &format!("{SUBSCRIBER}, wall"));
        assert_eq!(wall, (true, Some("45.0 ns".to_owned())));
        let ratio = outcome(&rows, "w1", &format!("{SUBSCRIBER} against {NATIVE}, wall"));
        assert_eq!(ratio, (false, Some("1.50×".to_owned())));
    }

    #[test]
    fn an_allocation_too_many_is_a_miss() {
        let of = |allocs| {
            let name = format!("{LAYER}, allocations a span");
            outcome(&[row("w1", LAYER, 1.0, allocs)], "w1", &name)
        };
        assert_eq!(of(2.0), (true, Some("2.00".to_owned())));
        assert_eq!(of(3.0), (false, Some("3.00".to_owned())));
    }
}

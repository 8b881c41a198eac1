//! Numbers that must not exceed a bound: a number of another row, or a plain one.

use super::rows::{ALONE, API, NATIVE, PROTOTYPE, Quantity, Rows};
use super::target::Target;
use crate::bench_all::contest::{W1_RATIO, W2_RATIO, W3_RATIO};
use crate::bench_all::row::Row;
use Quantity::{Cpu, Wall};

/// Judges all bounds.
pub(super) fn judge(rows: Rows<'_>) -> Vec<Target> {
    let ratios = RATIOS.iter().map(|ratio| ratio.judge(rows));
    let limits = LIMITS.iter().map(|limit| limit.judge(rows));
    ratios.chain(limits).chain([instructions(rows)]).collect()
}

/// Our number over another one.
struct Ratio {
    workload: &'static str,
    ours: &'static str,
    other: Other,
    quantity: Quantity,
    at_most: f64,
}

#[derive(Debug, Clone, Copy)]
enum Other {
    /// Another implementation of the same workload.
    Of(&'static str),
    /// The same implementation on the workload that samples everything.
    Always(&'static str),
    /// The same, plus what the API alone takes longer: it copies the trace state of a sampled span.
    AlwaysAndApi(&'static str),
}

impl Ratio {
    fn judge(&self, rows: Rows<'_>) -> Target {
        let &Self { workload, ours, other, quantity, at_most } = self;
        let number = |workload, name| quantity.of(rows.get(workload, name)?);
        let (what, other) = match other {
            Other::Of(name) => (name.to_owned(), number(workload, name)),
            Other::Always(always) => (format!("its own {always}"), number(always, ours)),
            Other::AlwaysAndApi(always) => {
                let of_the_api = number(workload, ALONE).zip(number(always, ALONE));
                // The difference of two uncertain numbers must not make the bound narrower.
                let more = of_the_api.map(|(now, always)| (now - always).max(0.0));
                let sum = number(always, ours).zip(more).map(|(always, more)| always + more);
                (format!("its own {always} and the API"), sum)
            }
        };
        let ratio = number(workload, ours).zip(other).map(|(ours, other)| ours / other);
        let name = format!("{ours} against {what}, {}", quantity.name());
        Target::at_most(workload, name, ratio, at_most)
    }

    #[cfg(test)]
    fn sides(&self) -> Vec<(&'static str, String)> {
        let &Self { workload, ours, .. } = self;
        let sides = match self.other {
            Other::Of(name) => vec![(workload, ours), (workload, name)],
            Other::Always(always) => vec![(workload, ours), (always, ours)],
            Other::AlwaysAndApi(always) => {
                vec![(workload, ours), (always, ours), (workload, ALONE), (always, ALONE)]
            }
        };
        sides.into_iter().map(|(workload, name)| (workload, name.to_owned())).collect()
    }
}

/// A plain number of a row.
struct Limit {
    workload: &'static str,
    ours: &'static str,
    what: &'static str,
    of: fn(&Row) -> Option<f64>,
    at_most: f64,
    unit: &'static str,
}

impl Limit {
    fn judge(&self, rows: Rows<'_>) -> Target {
        let &Self { workload, ours, what, of, at_most, unit } = self;
        let measured = rows.get(workload, ours).and_then(of);
        Target {
            workload,
            name: format!("{ours}, {what}"),
            wanted: format!("≤ {at_most} {unit}"),
            met: measured.is_some_and(|measured| measured <= at_most),
            measured: measured.map(|measured| format!("{measured:.1} {unit}")),
        }
    }
}

/// The instructions that we add to those of the API and its caller.
fn instructions(rows: Rows<'_>) -> Target {
    let count = |name| rows.get(BUILDER, name)?.instructions;
    let beyond = count(API).zip(count(ALONE)).map(|(ours, api)| ours - api);
    Target {
        workload: BUILDER,
        name: format!("{API} beyond {ALONE}, instructions"),
        wanted: format!("≤ {INSTRUCTIONS_BEYOND_THE_API}"),
        met: beyond.is_some_and(|beyond| beyond <= INSTRUCTIONS_BEYOND_THE_API),
        measured: beyond.map(|beyond| format!("{beyond:.0}")),
    }
}

#[cfg(test)]
pub(super) fn sides() -> Vec<(&'static str, String)> {
    let limits = LIMITS.iter().map(|limit| (limit.workload, limit.ours.to_owned()));
    let instructions = [API, ALONE].map(|name| (BUILDER, name.to_owned()));
    RATIOS.iter().flat_map(Ratio::sides).chain(limits).chain(instructions).collect()
}

const fn ratio(
    workload: &'static str,
    ours: &'static str,
    other: Other,
    quantity: Quantity,
    at_most: f64,
) -> Ratio {
    Ratio { workload, ours, other, quantity, at_most }
}

pub(super) const BUILDER: &str = "w3-builder";
const INSTRUCTIONS_BEYOND_THE_API: f64 = 900.0;
const FLOOR: Other = Other::Of(PROTOTYPE);

const RATIOS: &[Ratio] = &[
    ratio("w1", NATIVE, FLOOR, Wall, 1.1),
    ratio("w3", NATIVE, FLOOR, Wall, 1.2),
    ratio(W1_RATIO, NATIVE, Other::Always("w1"), Wall, 1.15),
    ratio(W1_RATIO, API, Other::AlwaysAndApi("w1"), Wall, 1.15),
    ratio(W2_RATIO, NATIVE, Other::Always("w2"), Wall, 1.15),
    ratio(W2_RATIO, API, Other::AlwaysAndApi("w2"), Wall, 1.15),
    ratio(W3_RATIO, NATIVE, Other::Always("w3"), Wall, 1.15),
    ratio(W3_RATIO, API, Other::AlwaysAndApi("w3"), Wall, 1.15),
    ratio("e2e-http", NATIVE, FLOOR, Cpu, 1.6),
];

const fn dropped(ours: &'static str) -> [Limit; 2] {
    let nanos =
        Limit { workload: "dropped", ours, what: "wall", of: Row::ns, at_most: 25.0, unit: "ns" };
    let share = Limit {
        what: "worker, of a core",
        of: |row| Some(100.0 * row.worker_share()?),
        at_most: 5.0,
        unit: "%",
        ..nanos
    };
    [nanos, share]
}

/// A flush of 100,000 queued spans.
const FLUSH: Limit = Limit {
    workload: "flush-100k",
    ours: NATIVE,
    what: "the flush",
    of: |row| Some(row.ns()? * 100_000.0 / 1e6),
    at_most: 100.0,
    unit: "ms",
};

/// The transcoding of a request to JSON.
const JSON: Limit = Limit {
    workload: "encode-json",
    ours: API,
    what: "CPU",
    of: Row::cpu_ns,
    at_most: 400.0,
    unit: "ns a span",
};

const LIMITS: &[Limit] = {
    const BY_API: [Limit; 2] = dropped(API);
    const BY_NATIVE: [Limit; 2] = dropped(NATIVE);
    let ([a, b], [c, d]) = (BY_NATIVE, BY_API);
    &[a, b, c, d, FLUSH, ZSTD_BYTES, ZSTD_CPU, JSON]
};

/// A tenth of the bytes is left, at a cost that gzip does not reach.
const ZSTD_BYTES: Limit = Limit {
    workload: "compress",
    ours: "zstd-1",
    what: "bytes left",
    of: |row| Some(100.0 / row.ratio?),
    at_most: 10.0,
    unit: "%",
};
const ZSTD_CPU: Limit = Limit {
    workload: "compress",
    ours: "zstd-1",
    what: "CPU",
    of: Row::cpu_ns,
    at_most: 160.0,
    unit: "ns a span",
};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(workload: &str, implementation: &str, ns: f64) -> Row {
        let mut row = Row::new(workload, implementation);
        row.add(&json!({"ns": [ns], "cpu_ns": [ns], "worker_share": 0.04}), None);
        row
    }

    fn outcome(rows: &[Row], workload: &str, name: &str) -> (bool, Option<String>) {
        let targets = judge(Rows(rows));
        let found =
            targets.iter().find(|target| target.workload == workload && target.name == name);
        found.map(|target| (target.met, target.measured.clone())).expect(name)
    }

    #[test]
    fn a_bound_is_crossed_by_more() {
        let name = "spanwise-native against floor-prototype, wall";
        let measured =
            |ours| outcome(&[row("w1", NATIVE, ours), row("w1", PROTOTYPE, 20.0)], "w1", name);
        assert_eq!(measured(22.0), (true, Some("1.10×".to_owned())));
        assert_eq!(measured(22.2), (false, Some("1.11×".to_owned())));
        assert_eq!(outcome(&[row("w1", NATIVE, 1.0)], "w1", name), (false, None));
    }

    #[test]
    fn the_copy_of_the_trace_state_is_the_apis_own() {
        let name = "spanwise against its own w3 and the API, wall";
        let measured = |ours, api| {
            let rows = [
                row("w3", API, 100.0),
                row(W3_RATIO, API, ours),
                row("w3", ALONE, 50.0),
                row(W3_RATIO, ALONE, api),
            ];
            outcome(&rows, W3_RATIO, name)
        };
        assert_eq!(measured(138.0, 70.0), (true, Some("1.15×".to_owned())));
        assert_eq!(measured(139.0, 70.0), (false, Some("1.16×".to_owned())));
        // Less time under a ratio is noise.
        assert_eq!(measured(115.0, 40.0), (true, Some("1.15×".to_owned())));
        let without_api = [row("w3", API, 100.0), row(W3_RATIO, API, 100.0)];
        assert_eq!(outcome(&without_api, W3_RATIO, name), (false, None));
    }

    #[test]
    fn plain_limits() {
        let rows = [row("dropped", NATIVE, 24.0), row("dropped", API, 26.0)];
        let outcome = |name| outcome(&rows, "dropped", name);
        assert_eq!(outcome("spanwise-native, wall"), (true, Some("24.0 ns".to_owned())));
        assert_eq!(outcome("spanwise, wall"), (false, Some("26.0 ns".to_owned())));
        assert_eq!(outcome("spanwise, worker, of a core"), (true, Some("4.0 %".to_owned())));
    }

    #[test]
    fn a_flush_is_judged_in_milliseconds() {
        let flush = |ns| {
            let rows = [row(FLUSH.workload, NATIVE, ns)];
            outcome(&rows, FLUSH.workload, "spanwise-native, the flush")
        };
        assert_eq!(flush(999.0), (true, Some("99.9 ms".to_owned())));
        assert_eq!(flush(1001.0), (false, Some("100.1 ms".to_owned())));
    }

    #[test]
    fn instructions_of_the_api_are_not_ours() {
        let counted = |name, instructions| {
            let mut row = Row::new(BUILDER, name);
            row.instructions = Some(instructions);
            row
        };
        let name = "spanwise beyond opentelemetry-api, instructions";
        let measured = |ours| outcome(&[counted(API, ours), counted(ALONE, 800.0)], BUILDER, name);
        assert_eq!(measured(1700.0), (true, Some("900".to_owned())));
        assert_eq!(measured(1702.0), (false, Some("902".to_owned())));
    }
}

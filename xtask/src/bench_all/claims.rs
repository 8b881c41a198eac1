//! The claims of a well-known Go guide to OTLP performance, beside the measurements of this run.
//! Its numbers are of another language, runtime and machine: a difference is no missed target.

use super::row::Row;

/// One claim and what this run measured.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) what: String,
    pub(super) claimed: String,
    /// Empty when nothing was measured.
    pub(super) measured: String,
}

/// Every claim these rows can answer.
pub(super) fn judge(rows: &[Row]) -> Vec<Claim> {
    let find = |workload: &str, name: &str| {
        rows.iter().find(|row| row.workload == workload && row.implementation == name)
    };
    let mut claims = Vec::new();
    let mut add = |what: &str, claimed: &str, sides: &[(&str, Option<String>)]| {
        let measured =
            sides.iter().filter_map(|(name, side)| Some(format!("{name}: {}", side.as_ref()?)));
        claims.push(Claim {
            what: what.to_owned(),
            claimed: claimed.to_owned(),
            measured: measured.collect::<Vec<_>>().join("; "),
        });
    };
    let creation = |name| find("w1", name).and_then(of_a_span);
    add(
        "a span with two attributes",
        "1200 ns, 384 B, 5 allocations",
        &[("SDK", creation("otel-sdk-paced")), ("Spanwise", creation("spanwise"))],
    );
    add(
        "the same, pooled",
        "240 ns, 64 B, 1 allocation (−86 % time, −95 % bytes)",
        &[("Spanwise", creation("spanwise-native"))],
    );
    for (size, claimed) in BATCHES {
        let workload = format!("batch-{size}");
        let sent = |name| find(&workload, name).and_then(of_requests);
        add(
            &format!("batches of {size}"),
            claimed,
            &[("SDK", sent("otel-sdk-paced")), ("Spanwise", sent("spanwise"))],
        );
    }
    let larger = |judge: fn(&Row, &Row) -> Option<String>| {
        ["otel-sdk-paced", "spanwise"].map(|name| {
            let side = if name == "spanwise" { "Spanwise" } else { "SDK" };
            let rows = find(SMALL_BATCH, name).zip(find(LARGE_BATCH, name));
            (side, rows.and_then(|(small, large)| judge(small, large)))
        })
    };
    add("batches of 2000 instead of 100, spans/s", "10×", &larger(of_faster));
    add("batches of 2000 instead of 100, CPU", "−47 %", &larger(of_cheaper));
    let export = |name| {
        let row = find("batch-export", name)?;
        Some(format!("{:.1} µs, {:.0} allocations", row.ns()?, 1000.0 * row.allocs?))
    };
    add(
        "1000 spans made and exported as one batch",
        "30 µs, 8192 B, 10 allocations",
        &[("SDK", export("otel-sdk-paced")), ("Spanwise", export("spanwise"))],
    );
    let levels = [("gzip-1", GZIP), ("gzip-6", GZIP), ("gzip-9", GZIP)];
    let fast = [("zstd-fast-5", ZSTD), ("zstd-1", ZSTD), ("zstd-3", ZSTD), ("zstd-6", ZSTD)];
    for (level, claimed) in levels.into_iter().chain(fast).chain([("zstd-9", ZSTD)]) {
        let packed = find("compress", level).and_then(|row| {
            let less = 100.0 * (1.0 - 1.0 / row.ratio?);
            Some(format!("{less:.0} % less, {:.0} ns a span", row.cpu_ns()?))
        });
        add(level, claimed, &[("Spanwise", packed)]);
    }
    for (workload, what, claimed) in [
        ("e2e-grpc", "gRPC", "500 k spans/s, below 100 MB; for production"),
        ("e2e-http", "HTTP/protobuf", "500 k spans/s, below 100 MB"),
        ("e2e-json", "HTTP/JSON", "for debugging"),
    ] {
        let sent = |name| find(workload, name).and_then(of_requests);
        add(
            &format!("{what}, end to end"),
            claimed,
            &[("SDK", sent("otel-sdk-paced")), ("Spanwise", sent("spanwise"))],
        );
    }
    claims.retain(|claim| !claim.measured.is_empty());
    claims
}

fn of_a_span(row: &Row) -> Option<String> {
    let (allocs, bytes) = (row.allocs?, row.bytes?);
    Some(format!("{:.0} ns, {bytes:.0} B, {allocs:.0} allocations", row.ns()?))
}

fn of_requests(row: &Row) -> Option<String> {
    let rate = row.spans_per_second()? / 1e6;
    let (requests, size) = (row.requests_per_second()?, row.spans_per_request()?);
    let (cpu, share) = (row.cpu_ns()? / 1e3, 100.0 * row.cpu_share()?);
    let memory = row.rss_peak_bytes as f64 / f64::from(1 << 20);
    Some(format!(
        "{rate:.2} M spans/s, {requests:.0} requests/s of {size:.0} spans, \
         CPU {share:.0} % ({cpu:.2} s/M), {memory:.0} MiB"
    ))
}

/// Whether large batches have ten times the rate of small ones.
fn of_faster(small: &Row, large: &Row) -> Option<String> {
    let times = large.spans_per_second()? / small.spans_per_second()?;
    Some(format!("{times:.1}×, {}", holds(times >= 10.0)))
}

/// Whether a span costs 47 % less in large batches. The guide compares the shares of a core at rates that differ;
/// at equal rates, shares differ as the costs of a span.
fn of_cheaper(small: &Row, large: &Row) -> Option<String> {
    let change = |of: fn(&Row) -> Option<f64>| Some(100.0 * (of(large)? / of(small)? - 1.0));
    let (span, share) = (change(Row::cpu_ns)?, change(Row::cpu_share)?);
    Some(format!("{span:+.0} % a span, {}; {share:+.0} % at full speed", holds(span <= -47.0)))
}

fn holds(is_true: bool) -> &'static str {
    if is_true { "the claim holds" } else { "the claim does not hold" }
}

const SMALL_BATCH: &str = "batch-100";
const LARGE_BATCH: &str = "batch-2000";

const GZIP: &str = "70 % less, CPU medium";
const ZSTD: &str = "75 % less, CPU low";

const BATCHES: [(u32, &str); 6] = [
    (10, "-"),
    (50, "-"),
    (100, "50 k spans/s, 500 requests/s, CPU 15 %"),
    (500, "200 k spans/s, 400 requests/s, CPU 12 %"),
    (1000, "350 k spans/s, 350 requests/s, CPU 10 %"),
    (2000, "500 k spans/s, 250 requests/s, CPU 8 %"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_without_a_measurement_is_left_out() {
        let mut row = Row::new("batch-100", "spanwise");
        let answer = json!({
            "ns": [300.0], "cpu_ns": [500.0], "spans_per_second": [2e6],
            "made": 1000, "exported": 1000, "requests": 10, "rss_peak_bytes": 20 << 20,
        });
        row.add(&answer, None);
        let claims = judge(&[row]);
        assert_eq!(claims.len(), 1, "{claims:?}");
        assert_eq!(
            claims.first().map(|claim| claim.measured.as_str()),
            Some(
                "Spanwise: 2.00 M spans/s, 20000 requests/s of 100 spans, CPU 100 % (0.50 s/M), 20 MiB"
            )
        );
    }

    #[test]
    fn larger_batches_are_judged_by_rate_and_by_cost() {
        let row = |workload: &str, cpu: f64, rate: f64| {
            let mut row = Row::new(workload, "spanwise");
            let answer = json!({ "cpu_ns": [cpu], "spans_per_second": [rate] });
            row.add(&answer, None);
            row
        };
        let measured = |large: Row| {
            let claims = judge(&[row("batch-100", 400.0, 1e6), large]);
            claims.into_iter().map(|claim| claim.measured).collect::<Vec<_>>()
        };
        assert_eq!(
            measured(row("batch-2000", 100.0, 10e6)),
            [
                "Spanwise: 10.0×, the claim holds",
                "Spanwise: -75 % a span, the claim holds; +150 % at full speed"
            ]
        );
        assert_eq!(
            measured(row("batch-2000", 240.0, 2e6)),
            [
                "Spanwise: 2.0×, the claim does not hold",
                "Spanwise: -40 % a span, the claim does not hold; +20 % at full speed"
            ]
        );
    }
}

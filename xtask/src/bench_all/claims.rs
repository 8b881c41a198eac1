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
    let export = |name| {
        let row = find("batch-export", name)?;
        Some(format!("{:.1} µs, {:.0} allocations", row.ns()?, 1000.0 * row.allocs?))
    };
    add(
        "1000 spans made and exported as one batch",
        "30 µs, 8192 B, 10 allocations",
        &[("SDK", export("otel-sdk-paced")), ("Spanwise", export("spanwise"))],
    );
    for (level, claimed) in [("gzip-1", GZIP), ("gzip-6", GZIP), ("gzip-9", GZIP)] {
        let packed = find("compress", level).and_then(|row| {
            let less = 100.0 * (1.0 - 1.0 / row.ratio?);
            Some(format!("{less:.0} % less, {:.0} ns a span", row.cpu_ns()?))
        });
        add(level, claimed, &[("Spanwise", packed)]);
    }
    for (workload, what) in [("e2e-grpc", "gRPC"), ("e2e-http", "HTTP/protobuf")] {
        let sent = |name| find(workload, name).and_then(of_requests);
        add(
            &format!("{what}, end to end"),
            "500 k spans/s, below 100 MB",
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
    let requests = row.requests_per_second()?;
    let memory = row.rss_peak_bytes as f64 / f64::from(1 << 20);
    Some(format!(
        "{rate:.2} M spans/s, {requests:.0} requests/s, {:.2} CPU s/M, {memory:.0} MiB",
        row.cpu_ns()? / 1e3
    ))
}

const GZIP: &str = "70 % less, CPU medium";

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
            Some("Spanwise: 2.00 M spans/s, 20000 requests/s, 0.50 CPU s/M, 20 MiB")
        );
    }
}

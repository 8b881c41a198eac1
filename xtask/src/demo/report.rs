//! The demo's numbers: as a page, as JSON, and against their limits.

use super::options::Options;
use super::receiver::Received;
use super::service::{SPANS_PER_REQUEST, Tally};
use serde_json::{Map, Value, json};
use spanwise::Snapshot;
use std::fmt;
use std::time::Duration;

/// Everything that was measured.
pub(super) struct Measured {
    pub(super) options: Options,
    /// All spans of the run.
    pub(super) ledger: Snapshot,
    /// The receiver's counts; `None` when it is not ours.
    pub(super) received: Option<Received>,
    pub(super) paced: Paced,
    pub(super) full: Full,
    pub(super) peak_rss: u64,
    /// The part of it that came with the provider.
    pub(super) library_rss: u64,
    pub(super) peak_heap: u64,
    pub(super) library_heap: u64,
    pub(super) peak_buffered: u64,
}

/// The service at 2,000 requests a second.
pub(super) struct Paced {
    pub(super) untraced: Tally,
    pub(super) traced: Tally,
}

/// The service at full speed.
pub(super) struct Full {
    pub(super) untraced: Tally,
    pub(super) traced: Tally,
    /// From the first span to the delivery of the last.
    pub(super) elapsed: Duration,
    /// The process's, over that time.
    pub(super) cpu: Duration,
    pub(super) ledger: Snapshot,
}

impl Paced {
    /// Of one core, at 10,000 spans a second.
    fn cpu_overhead_percent(&self) -> f64 {
        let share = |tally: &Tally| tally.cpu.as_secs_f64() / tally.elapsed.as_secs_f64();
        100.0 * (share(&self.traced) - share(&self.untraced))
    }
}

impl Received {
    /// The part of the traces that arrived which have all their spans.
    fn complete_percent(&self) -> f64 {
        100.0 * self.complete as f64 / self.traces as f64
    }
}

impl Full {
    fn spans_per_second(&self) -> f64 {
        self.ledger.exported as f64 / self.elapsed.as_secs_f64()
    }

    fn created_per_second(&self) -> f64 {
        self.ledger.created as f64 / self.traced.elapsed.as_secs_f64()
    }

    fn cpu_seconds_per_million(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.ledger.created as f64 / 1e6)
    }

    /// The slowdown of a request by tracing, by each thread's clock.
    fn slowdown(&self) -> f64 {
        self.untraced.requests_per_second() / self.traced.requests_per_second()
    }
}

impl Measured {
    /// Checks that the ledger adds up, and that the receiver counted the exported spans.
    pub(super) fn verify(&self) -> Result<(), String> {
        self.ledger.check().map_err(|imbalance| format!("the ledger: {imbalance}"))?;
        match self.received {
            Some(Received { spans, .. }) if spans != self.ledger.exported => Err(format!(
                "the receiver counted {spans} spans, the ledger counts {} as exported",
                self.ledger.exported
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn to_json(&self) -> String {
        let Self { ledger, full, .. } = self;
        let span = &full.traced.span_nanos;
        let dropped: Map<String, Value> = ledger
            .drops()
            .map(|(reason, spans)| (reason.name().to_owned(), spans.into()))
            .collect();
        let value = json!({
            "spans_created": ledger.created,
            "spans_exported": ledger.exported,
            "spans_received": self.received.map(|received| received.spans),
            "complete_traces_percent": self.received.map(|received| received.complete_percent()),
            "sampled_out": ledger.sampled_out,
            "in_flight": ledger.in_flight,
            "dropped": dropped,
            "spans_per_second": full.spans_per_second(),
            "cpu_seconds_per_million_spans": full.cpu_seconds_per_million(),
            "peak_rss_bytes": self.peak_rss,
            "peak_heap_bytes": self.peak_heap,
            "span_ns_p50": span.quantile(0.50),
            "span_ns_p99": span.quantile(0.99),
            "span_ns_p999": span.quantile(0.999),
            "cpu_overhead_percent_at_10k": self.paced.cpu_overhead_percent(),
        });
        format!("{value:#}\n")
    }

    /// The source document's targets: name, measured, limit, met.
    fn targets(&self) -> [(&'static str, String, &'static str, bool); 6] {
        let overhead = self.paced.cpu_overhead_percent();
        let calm = &self.paced.traced.span_nanos;
        let added = calm.quantile(0.999);
        let rate = self.full.spans_per_second();
        [
            ("CPU at 10 k spans/s", format!("{overhead:.2} % of a core"), "< 5 %", overhead < 5.0),
            ("memory, whole process", mib(self.peak_rss), "< 100 MB", self.peak_rss < 100_000_000),
            ("added latency, p99.9", nanos(added), "< 1 ms", added < 1_000_000),
            ("longest stall", nanos(calm.max()), "< 10 ms", calm.max() < 10_000_000),
            ("throughput", millions(rate), "> 100 K spans/s", rate > 100e3),
            ("throughput, stretch", millions(rate), "> 500 K spans/s", rate > 500e3),
        ]
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ledger, full, paced, .. } = self;
        let delivered = 100.0 * full.ledger.exported as f64 / full.ledger.created as f64;
        writeln!(f, "\nFull speed")?;
        row(f, "created", format!("{} spans/s", millions(full.created_per_second())))?;
        row(
            f,
            "delivered",
            format!("{} spans/s, {delivered:.1} %", millions(full.spans_per_second())),
        )?;
        row(
            f,
            "CPU, service included",
            format!("{:.3} s per million spans", full.cpu_seconds_per_million()),
        )?;
        let per_request =
            |tally: &Tally| 1e9 * self.options.threads as f64 / tally.requests_per_second();
        row(
            f,
            "a request",
            format!(
                "{:.0} ns untraced, {:.0} ns traced ({SPANS_PER_REQUEST} spans): {:.1} times",
                per_request(&full.untraced),
                per_request(&full.traced),
                full.slowdown(),
            ),
        )?;
        for (title, histogram) in [
            ("a span, full speed", &full.traced.span_nanos),
            ("a span, 10 k spans/s", &paced.traced.span_nanos),
        ] {
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| nanos(histogram.quantile(share)));
            let max = nanos(histogram.max());
            row(f, title, format!("p50 {p50}, p99 {p99}, p99.9 {p999}, max {max}"))?;
        }

        writeln!(f, "\nMemory")?;
        row(
            f,
            "resident",
            format!("{} at most, {} of it tracing", mib(self.peak_rss), mib(self.library_rss)),
        )?;
        row(
            f,
            "heap",
            format!("{} at most, {} of it tracing", mib(self.peak_heap), mib(self.library_heap)),
        )?;
        row(f, "buffered spans", format!("{} at most", mib(self.peak_buffered)))?;

        writeln!(f, "\nLedger, all phases\n{ledger}")?;
        match self.received {
            Some(received) => {
                row(f, "receiver counted", received.spans.to_string())?;
                let percent = received.complete_percent();
                row(
                    f,
                    "complete traces",
                    format!("{percent:.2} % of {} that were looked at", received.traces),
                )?;
            }
            None => row(f, "receiver counted", "unknown, it is not ours".to_owned())?,
        }

        writeln!(f, "\nTargets of the source document")?;
        for (name, measured, limit, met) in self.targets() {
            let outcome = if met { "pass" } else { "FAIL" };
            writeln!(f, "  {name:<24} {measured:>18}   {limit:<16} {outcome}")?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, title: &str, text: String) -> fmt::Result {
    writeln!(f, "  {title:<24} {text}")
}

fn millions(rate: f64) -> String {
    format!("{:.2} M", rate / 1e6)
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn nanos(nanos: u64) -> String {
    match nanos {
        0..10_000 => format!("{nanos} ns"),
        10_000..10_000_000 => format!("{:.0} µs", nanos as f64 / 1e3),
        _ => format!("{:.0} ms", nanos as f64 / 1e6),
    }
}

//! Nanoseconds of a span with and without metrics of spans, in the same run:
//! `cargo run --release -p spanwise-sdk --example span_metrics_cost`.

use spanwise_metrics::MetricData;
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{Bytes, Outcome, SpanKind, SpanMetrics, Spanwise, Tracer};
use std::error::Error;
use std::time::Instant;

/// Fewer than fill the budget.
const SPANS: u64 = 20_000;
const ROUNDS: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let by_name = || SpanMetrics::builder().with_status_code(false);
    let rows = [
        Row::new("non-recording", Sampler::always_off(), None)?,
        Row::new(
            "non-recording, by name and kind",
            Sampler::always_off(),
            Some(by_name().build()?),
        )?,
        Row::new(
            "non-recording, exponential",
            Sampler::always_off(),
            Some(by_name().with_exponential_buckets(2).build()?),
        )?,
        Row::new("recorded for the status", Sampler::always_off(), Some(SpanMetrics::default()))?,
        Row::new("sampled", Sampler::always_on(), None)?,
        Row::new("sampled, by name and kind", Sampler::always_on(), Some(by_name().build()?))?,
        Row::new("sampled, by status too", Sampler::always_on(), Some(SpanMetrics::default()))?,
        Row::new(
            "sampled, by an attribute too",
            Sampler::always_on(),
            Some(SpanMetrics::builder().with_dimension("http.status").build()?),
        )?,
    ];
    if let Some(row) = std::env::args().nth(1) {
        // One row, for an instruction counter: both numbers of spans cost the same start.
        let rounds = std::env::args().nth(2).map_or(Ok(1), |rounds| rounds.parse::<usize>())?;
        let row = rows.get(row.parse::<usize>()?).ok_or("no such row")?;
        for _ in 0..rounds {
            let _nanos = row.nanos_per_span();
        }
        return Ok(());
    }
    let mut best = [f64::INFINITY; 8];
    for round in 0..ROUNDS {
        for (best, row) in best.iter_mut().zip(&rows) {
            let nanos = row.nanos_per_span();
            if round > 0 {
                *best = best.min(nanos);
            }
        }
    }
    println!("{:<34} {:>9} {:>9} {:>7}", "span", "ns", "more ns", "ratio");
    let mut off = 0.0;
    for (row, nanos) in rows.iter().zip(best) {
        if !row.is_on {
            off = nanos;
        }
        println!("{:<34} {nanos:>9.1} {:>9.1} {:>7.2}", row.name, nanos - off, nanos / off);
        row.check();
    }
    Ok(())
}

struct Row {
    name: &'static str,
    is_on: bool,
    spanwise: Spanwise,
    tracer: Tracer,
}

impl Row {
    fn new(
        name: &'static str,
        sampler: Sampler,
        metrics: Option<SpanMetrics>,
    ) -> Result<Self, Box<dyn Error>> {
        let sink = |_: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
        let builder = Spanwise::builder().with_environment(|_| None).with_sink(sink);
        let builder = builder.with_sampler(sampler);
        let is_on = metrics.is_some();
        let spanwise = match metrics {
            Some(metrics) => builder.with_span_metrics(metrics).build()?,
            None => builder.build()?,
        };
        let tracer = spanwise.tracer("cost");
        Ok(Self { name, is_on, spanwise, tracer })
    }

    fn nanos_per_span(&self) -> f64 {
        let started = Instant::now();
        for _ in 0..SPANS {
            let mut span = self.tracer.root("GET /users/{id}/orders", SpanKind::Server);
            span.attribute("http.method", "GET").attribute("http.status", 200);
            span.finish();
        }
        let nanos = started.elapsed().as_nanos() as f64 / SPANS as f64;
        // The queue is empty for the next round.
        let _exported = self.spanwise.force_flush();
        nanos
    }

    /// All spans count.
    fn check(&self) {
        let snapshot = self.spanwise.metrics();
        let counts: u64 = match snapshot.get("traces.span.metrics.duration").map(|it| &it.data) {
            Some(MetricData::Histogram(points)) => points.iter().map(|it| it.count()).sum(),
            Some(MetricData::ExponentialHistogram(points)) => {
                points.iter().map(|it| it.count()).sum()
            }
            _ => 0,
        };
        assert_eq!(counts, if self.is_on { SPANS * ROUNDS as u64 } else { 0 }, "{}", self.name);
    }
}

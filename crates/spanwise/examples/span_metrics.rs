//! Metrics of all, traces of few: of 100,000 requests one in a hundred is exported, and the rate, the errors and the durations of all of
//! them are counted.
//!
//! ```text
//! cargo run --release --example span_metrics
//! ```

use spanwise::metrics::{MetricData, TextEncoder, TextFormat};
use spanwise::sampling::Sampler;
use spanwise::{Bytes, DurationUnit, Outcome, SpanKind, SpanMetrics, Spanwise};
use std::time::Duration;

const REQUESTS: u64 = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let metrics = SpanMetrics::builder()
        .with_dimension("http.route")
        .with_unit(DurationUnit::Seconds)
        .with_explicit_buckets([1, 5, 25, 100, 500].map(Duration::from_millis))
        .with_cardinality_limit(100)
        .build()?;
    // A collector takes the place of the sink.
    let sink = |_request: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
    let spanwise = Spanwise::builder()
        .with_service_name("shop")
        .with_sampler(Sampler::probability(0.01)?.parent_based())
        .with_sink(sink)
        .with_span_metrics(metrics)
        .build()?;

    let tracer = spanwise.tracer("shop");
    for number in 0..REQUESTS {
        let route = ["/orders", "/orders/{id}", "/cart"][(number % 3) as usize];
        let mut request = tracer.root("GET", SpanKind::Server);
        request.attribute("http.route", route).attribute("order.id", number);
        if number % 500 == 0 {
            request.error("the database does not answer");
        }
        request.finish();
    }

    let snapshot = spanwise.metrics();
    let Some(calls) = snapshot.get("traces.span.metrics.calls") else { return Ok(()) };
    let MetricData::Counter(points) = &calls.data else { return Ok(()) };
    let all: f64 = points.iter().map(|point| point.value.as_f64()).sum();
    assert_eq!(all, REQUESTS as f64);
    // For `GET /metrics`; exemplars link buckets to exported traces.
    let text = TextEncoder::new(TextFormat::OpenMetrics).encode(&snapshot);
    for line in text.lines().filter(|line| line.starts_with("traces_span_metrics")) {
        if line.contains("_calls_total") || line.contains("le=\"0.001\"") {
            println!("{line}");
        }
    }
    let report = spanwise.shutdown()?;
    println!("{all} requests counted, {} spans exported", report.exported);
    assert!((500..2_000).contains(&report.exported));
    Ok(())
}

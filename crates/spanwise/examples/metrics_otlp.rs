//! The metrics of a provider about itself, sent to a collector without an SDK for metrics.
//!
//! The program makes spans for five seconds and sends its metrics each second, to a collector on this machine (port
//! 4318), or to the one that `OTEL_EXPORTER_OTLP_ENDPOINT` names; `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` names another one
//! for metrics alone.
//!
//! ```text
//! cargo run --example metrics_otlp
//! ```

use spanwise::{Counter, MetricsExport, SpanKind, Spanwise};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let every_second = MetricsExport::new().with_interval(Duration::from_secs(1));
    let spanwise =
        Spanwise::builder().with_service_name("shop").with_metrics_export(every_second).build()?;
    let tracer = spanwise.tracer("shop");
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        tracer.root("checkout", SpanKind::Server).finish();
        std::thread::sleep(Duration::from_millis(1));
    }
    // The last request has the final numbers, those of the last spans included.
    match spanwise.shutdown_timeout(Duration::from_secs(2)) {
        Ok(report) => println!("{report}"),
        Err(error) => println!("{error}"),
    }
    let failed = spanwise.ledger().counter(Counter::MetricExportsFailed);
    println!("requests with metrics that failed: {failed}");
    Ok(())
}

//! The metrics of a provider about itself, as the text that Prometheus scrapes.
//!
//! The program makes spans and prints the text once: a service returns it from a handler of its own, for the request
//! `GET /metrics`. Without a collector on this machine the spans are lost, and the text has the reason.
//!
//! ```text
//! cargo run --example metrics_prometheus
//! ```

use spanwise::metrics::{TextEncoder, TextFormat};
use spanwise::{SpanKind, Spanwise};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spanwise = Spanwise::builder().with_service_name("shop").build()?;
    let tracer = spanwise.tracer("shop");
    for _ in 0..1_000 {
        tracer.root("checkout", SpanKind::Server).finish();
    }
    let _report = spanwise.force_flush_timeout(Duration::from_secs(1));
    print!("{}", metrics(&spanwise, "text/plain;version=0.0.4"));
    let _report = spanwise.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

/// The body of the answer to a scrape whose header `Accept` is this.
fn metrics(spanwise: &Spanwise, accept: &str) -> String {
    let encoder = TextEncoder::new(TextFormat::negotiate(accept));
    encoder.encode(&spanwise.metrics())
}

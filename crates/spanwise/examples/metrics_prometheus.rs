//! The metrics of a provider about itself, as the text that Prometheus scrapes.
//!
//! The program makes spans and prints the text once, after the shutdown: a service returns it from a handler of its own, for the
//! request `GET /metrics`. Without a collector on this machine the spans are lost, and the text has the reason.
//!
//! ```text
//! cargo run --example metrics_prometheus
//! ```

use spanwise::metrics::{Attribute, TextEncoder, TextFormat};
use spanwise::{SpanKind, Spanwise};
use std::time::Duration;

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spanwise = Spanwise::builder().with_service_name("shop").build()?;
    let tracer = spanwise.tracer("shop");
    for _ in 0..1_000 {
        tracer.root("checkout", SpanKind::Server).finish();
    }
    // Until its deadline the exporter tries again; afterwards the text has the outcome of each span.
    let _report = spanwise.shutdown_timeout(Duration::from_secs(1));
    print!("{}", metrics(&spanwise, "text/plain;version=0.0.4"));
    assert_eq!(spanwise.ledger().in_flight, 0);
    Ok(())
}

/// The body of the answer to a scrape whose header `Accept` is this.
fn metrics(spanwise: &Spanwise, accept: &str) -> String {
    let name = Attribute::new("service.name", "shop"); // a label of `target_info`
    let encoder = TextEncoder::new(TextFormat::negotiate(accept)).with_resource(&[name]);
    encoder.encode(&spanwise.metrics())
}

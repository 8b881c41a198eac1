//! A request handler with a span from a pool: acquired, recorded, exported, released.
//!
//! The provider pools the records of its own spans, so that most programs need no pool; a pooled span is
//! for code that builds spans field by field.
//!
//! ```text
//! cargo run --example process_request
//! ```

use spanwise::pool::SpanPool;
use spanwise::{FinishError, Finished, SpanKind, Spanwise, Tracer};
use spanwise_receiver::Receiver;
use std::time::Duration;

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (receiver, collected) = Receiver::collecting()?;
    let spanwise = Spanwise::builder().with_endpoint(receiver.http_endpoint()).build()?;
    let tracer = spanwise.tracer("users");

    let spans = SpanPool::new(64); // each with capacity for 16 attributes, 8 events and 4 links
    for _ in 0..1_000 {
        assert_eq!(process_request(&tracer, &spans)?, Finished::Recorded);
    }
    for _ in 0..1_000 {
        process_request_of_the_provider(&tracer);
    }

    let report = spanwise.shutdown_timeout(Duration::from_secs(20))?;
    println!("{report}\n{:?}", spans.stats());
    assert_eq!((report.ledger.exported, collected.spans()), (2_000, 2_000));
    // One span served all requests, and it is back in the pool.
    let stats = spans.stats();
    assert_eq!((stats.misses, stats.hits, stats.outstanding, stats.retained), (1, 999, 0, 1));
    Ok(())
}

/// The drop of `span` resets it and releases it to the pool, on every path out of this function.
fn process_request(tracer: &Tracer, spans: &SpanPool) -> Result<Finished, FinishError> {
    let mut span = spans.acquire();
    let _is_sampled = tracer.start_pooled(&mut span, "ProcessRequest", SpanKind::Server, None);
    span.set_attribute("http.method", "GET").set_attribute("http.url", "/api/users");
    respond();
    tracer.finish_pooled(&span)
}

/// The same by the provider: its record is pooled, and its attributes are OTLP bytes at once.
fn process_request_of_the_provider(tracer: &Tracer) {
    let mut span = tracer.root("ProcessRequest", SpanKind::Server);
    span.attribute("http.method", "GET").attribute("http.url", "/api/users");
    respond();
    span.finish();
}

/// The work of the request.
fn respond() {}

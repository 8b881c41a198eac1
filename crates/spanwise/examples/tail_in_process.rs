//! Tail sampling in the application: of 100,000 requests, one in a hundred leaves, and with it every error and every slow one.
//!
//! ```text
//! cargo run --release --example tail_in_process --features tail-sampling
//! ```

use spanwise::config::Document;
use spanwise::tail::TailSamplingConfig;
use spanwise::wire::read::TraceRequest;
use spanwise::{OnFull, SpanKind, Spanwise, Tracer};
use spanwise_receiver::Receiver;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// A file for the Collector's processor. `head` samples what the sampler of the provider samples, one trace in a hundred, so
/// that its threshold and the counts of a backend stay right.
const POLICIES: &str = "
tail_sampling:
  policies:
    - {name: head, type: trace_flags}
    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
    - {name: slow, type: latency, latency: {threshold_ms: 500}}
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (receiver, collected) = Receiver::collecting()?;
    let document = Document::parse("tail.yaml", POLICIES.as_bytes(), |_| None)?;
    let policies = TailSamplingConfig::from_document(&document, None)?.value;
    let spanwise = Spanwise::builder()
        .with_service_name("shop")
        .with_endpoint(receiver.http_endpoint())
        // Other services follow this decision alone: they send one trace in a hundred.
        .with_sampling_ratio(0.01)
        .with_tail_sampling(policies)
        // This loop makes spans faster than a service: it waits where one would lose them.
        .with_on_full(OnFull::Wait(Duration::from_secs(20)))
        .build()?;

    let tracer = spanwise.tracer("shop");
    let (mut errors, mut slow) = (0, 0);
    for number in 0..100_000 {
        let (is_error, is_slow) = (number % 1_000 == 7, number % 2_500 == 11);
        serve(&tracer, is_error, is_slow);
        errors += u64::from(is_error);
        slow += u64::from(is_slow);
    }
    let report = spanwise.shutdown_timeout(Duration::from_secs(20))?;

    let mut traces: HashMap<[u8; 16], Received> = HashMap::new();
    for body in collected.bodies() {
        for span in TraceRequest::new(&body).spans() {
            let span = span?;
            let received = traces.entry(span.trace_id().unwrap_or_default()).or_default();
            received.spans += 1;
            received.is_error |= span.status_code() == 2;
            let nanos = span.end_unix_nanos().saturating_sub(span.start_unix_nanos());
            received.is_slow |= nanos > 500_000_000;
            received.has_count |= span.trace_state()?.contains("th:");
        }
    }
    let count = |of: fn(&Received) -> bool| traces.values().filter(|it| of(it)).count() as u64;
    let (with_errors, with_slow) = (count(|it| it.is_error), count(|it| it.is_slow));
    println!("requests 100000, traces exported {}", traces.len());
    println!("  with an error    {with_errors} of {errors}");
    println!("  slow             {with_slow} of {slow}");
    println!(
        "  by the head      {}, each with `ot=th` for one in a hundred",
        count(|it| it.has_count)
    );
    println!("  whole            {} of {}", count(|it| it.spans == 3), traces.len());
    println!("{}", report.ledger);

    assert_eq!((with_errors, with_slow), (errors, slow));
    assert!(traces.values().all(|trace| trace.spans == 3));
    let ledger = report.ledger;
    assert_eq!(ledger.created, ledger.exported + ledger.tail_not_sampled);
    assert_eq!(ledger.exported, collected.spans());
    Ok(())
}

/// A trace that the receiver got.
#[derive(Default)]
struct Received {
    spans: u64,
    is_error: bool,
    is_slow: bool,
    has_count: bool,
}

/// One request of three spans.
fn serve(tracer: &Tracer, is_error: bool, is_slow: bool) {
    let mut request = tracer.root("GET /orders", SpanKind::Server);
    request.attribute("http.request.method", "GET").attribute("http.route", "/orders");
    let mut query = tracer.child("SELECT", SpanKind::Client, request.context());
    query.attribute("db.system.name", "postgresql");
    query.finish();
    let mut charge = tracer.child("charge", SpanKind::Client, request.context());
    if is_error {
        charge.error("card declined");
    }
    if is_slow {
        // Its end is a second from now.
        use spanwise::opentelemetry::trace::Span as _;
        charge.end_with_timestamp(SystemTime::now() + Duration::from_secs(1));
    } else {
        charge.finish();
    }
    request.finish();
}

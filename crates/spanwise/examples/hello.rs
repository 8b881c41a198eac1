//! One line to start, one span, one report.
//!
//! The program sends to a collector on this machine (port 4318), or to the one that
//! `OTEL_EXPORTER_OTLP_ENDPOINT` names. Without a collector the report counts the lost spans.
//!
//! ```text
//! cargo run --example hello
//! ```

use opentelemetry::trace::{TraceContextExt, Tracer};
use opentelemetry::{KeyValue, global};
use spanwise::FlushError;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tracing = spanwise::init()?;

    let tracer = global::tracer("hello");
    tracer.in_span("greet", |cx| {
        cx.span().set_attribute(KeyValue::new("greeting", "hello"));
        tracer.in_span("fetch name", |_| std::thread::sleep(Duration::from_millis(3)));
    });

    match tracing.shutdown_timeout(Duration::from_secs(2)) {
        Ok(report) => println!("{report}"),
        Err(FlushError::Timeout(report)) => {
            println!("{report}\nIs there a collector at http://localhost:4318?");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

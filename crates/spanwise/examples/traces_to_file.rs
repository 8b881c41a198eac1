//! Spans as lines of OTLP/JSON, in a file or on the standard output.
//!
//! The Collector's `otlpjsonfile` receiver and every reader of OTLP/JSON read the file.
//!
//! ```text
//! cargo run --example traces_to_file              # to the standard output
//! cargo run --example traces_to_file traces.jsonl # to a file
//! ```

use opentelemetry::KeyValue;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use spanwise::{FileSink, Spanwise};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sink = FileSink::builder();
    if let Some(path) = std::env::args_os().nth(1) {
        sink = sink.with_path(path);
    }
    let spanwise =
        Spanwise::builder().with_service_name("to-file").with_sink(sink.build()?).build()?;

    let tracer = spanwise.tracer("example");
    tracer.in_span("GET /orders", |cx| {
        cx.span().set_attribute(KeyValue::new("http.response.status_code", 200));
    });

    let report = spanwise.shutdown_timeout(Duration::from_secs(2))?;
    eprintln!("{report}");
    Ok(())
}

//! The stock SDK and its own batch processor, with our exporter.
//!
//! ```text
//! cargo run -p spanwise-opentelemetry --example plug_in_exporter
//! ```

use opentelemetry::trace::{Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use spanwise_opentelemetry::OtlpExporter;
use std::time::Duration;

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A local receiver, so that the example needs no collector.
    let receiver = spanwise_receiver::Receiver::builder().start()?;
    let exporter = OtlpExporter::builder()
        .with_endpoint(receiver.http_endpoint())
        .with_export_timeout(Duration::from_secs(10))
        .build()?;

    let config = BatchConfigBuilder::default().with_max_export_batch_size(100).build();
    let batch = BatchSpanProcessor::builder(exporter.clone()).with_batch_config(config).build();
    let provider = SdkTracerProvider::builder().with_span_processor(batch).build();

    let tracer = provider.tracer("shop");
    (0..250).for_each(|_| drop(tracer.start("checkout")));

    provider.shutdown()?;
    println!("{}", exporter.ledger());
    println!("the receiver counted {} spans", receiver.stats().spans);
    Ok(())
}

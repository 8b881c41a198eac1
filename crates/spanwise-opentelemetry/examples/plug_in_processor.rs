//! The stock SDK with our processor: one line changed.
//!
//! The SDK makes the spans. The processor writes each as OTLP bytes at its end and sends them in batches; it
//! takes the place of the SDK's batch processor and of an OTLP exporter.
//!
//! ```text
//! cargo run -p spanwise-opentelemetry --example plug_in_processor
//! ```

use opentelemetry::trace::{SpanKind, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use spanwise_opentelemetry::{BatchSpanProcessor, RandomIdGenerator};

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A local receiver, so that the example needs no collector.
    let receiver = spanwise_receiver::Receiver::builder().start()?;
    let processor =
        BatchSpanProcessor::builder().with_endpoint(receiver.http_endpoint()).build()?;

    // Before: .with_batch_exporter(opentelemetry_otlp::SpanExporter::builder().with_http().build()?)
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name("shop").build())
        .with_id_generator(RandomIdGenerator::default())
        .with_span_processor(processor.clone())
        .build();

    global::set_tracer_provider(provider.clone());
    (0..100).for_each(checkout);

    provider.shutdown()?;
    println!("{}", processor.ledger());
    println!("the receiver counted {} spans", receiver.stats().spans);
    Ok(())
}

fn checkout(order: i64) {
    let tracer = global::tracer("shop");
    let span = tracer.span_builder("checkout").with_kind(SpanKind::Server).start(&tracer);
    let cx = Context::current_with_span(span);
    let _active = cx.clone().attach();
    cx.span().set_attribute(KeyValue::new("order.id", order));
    tracer.in_span("charge", |cx| {
        cx.span().add_event("authorized", vec![KeyValue::new("payment.method", "card")]);
    });
}

//! The stock SDK with a sampler of ours that is replaced while the program runs, and with our processor.
//!
//! ```text
//! cargo run -p spanwise-opentelemetry --example plug_in_sampler
//! ```

use opentelemetry::trace::{Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use spanwise_opentelemetry::{BatchSpanProcessor, OtelSampler};
use spanwise_sampling::{DynamicSampler, Sampler};

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A local receiver, so that the example needs no collector.
    let receiver = spanwise_receiver::Receiver::builder().start()?;
    let processor =
        BatchSpanProcessor::builder().with_endpoint(receiver.http_endpoint()).build()?;

    let sampler = DynamicSampler::new(Sampler::probability(0.25)?.parent_based());
    let provider = SdkTracerProvider::builder()
        .with_sampler(OtelSampler::new(sampler.clone()))
        .with_span_processor(processor.clone())
        .build();

    let tracer = provider.tracer("shop");
    (0..1000).for_each(|_| drop(tracer.start("a quarter of these")));
    sampler.set(Sampler::always_on());
    (0..100).for_each(|_| drop(tracer.start("all of these")));

    provider.shutdown()?;
    println!("{}", processor.ledger());
    println!("the receiver counted {} spans", receiver.stats().spans);
    Ok(())
}

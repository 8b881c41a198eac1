//! The workloads' spans as `tracing` macros; nothing is lost: bursts of 20,000 into 65536/512.
//!
//! `tracing-otel` has the layer's defaults. `tracing-otel-lean` switches off what it adds to every
//! span: location, thread, busy and idle time, target. `tracing-registry` has a layer that does nothing, the cost
//! of `tracing` itself. All keep to INFO and above.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use spanwise_bench_harness::{
    Arguments, Operations, Sampler as Keeps, Subject, Tally, tracing_macros,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::layer::{Identity, Layer, Layered, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

pub fn build(arguments: &Arguments) -> Result<Box<dyn Subject>, String> {
    let workload = &arguments.workload;
    let implementation = without_allocator(&arguments.implementation);
    let samples = match workload.sampler {
        Keeps::On => true,
        Keeps::Off => false,
        Keeps::Half | Keeps::Least => return Err(format!("{implementation} has no ratio")),
    };
    if !tracing_macros::is_possible(workload.shape) {
        return Err(format!("{implementation} does not run {}", workload.name));
    }
    let delivered = Arc::new(AtomicU64::new(0));
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(65_536)
        .with_max_export_batch_size(512)
        .build();
    let processor =
        BatchSpanProcessor::builder(Null(delivered.clone())).with_batch_config(config).build();
    let mut provider = SdkTracerProvider::builder().with_span_processor(processor);
    if !samples {
        provider = provider.with_sampler(Sampler::AlwaysOff);
    }
    let provider = provider.build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    match implementation {
        "tracing-registry" => set_global_default(filtered(Identity::new())),
        "tracing-otel" => set_global_default(filtered(layer)),
        "tracing-otel-lean" => {
            let lean = layer
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_target(false);
            set_global_default(filtered(lean))
        }
        other => return Err(format!("no implementation {other}")),
    }
    .map_err(|error| error.to_string())?;
    let outcome = match (implementation, samples) {
        ("tracing-registry", _) => Outcome::Nowhere,
        (_, true) => Outcome::Exported,
        (_, false) => Outcome::SampledOut,
    };
    let operations = Operations::new(workload);
    Ok(Box::new(Traced { operations, provider, delivered, outcome }))
}

/// One filter for the subscriber, as programs have it, and not one of the layer, for which the registry looks spans up again.
fn filtered(layer: impl Layer<Filtered> + Send + Sync) -> impl Subscriber {
    tracing_subscriber::registry().with(LevelFilter::INFO).with(layer)
}

type Filtered = Layered<LevelFilter, Registry>;

/// The binaries differ in their allocator alone.
fn without_allocator(implementation: &str) -> &str {
    let system = implementation.strip_suffix("-jemalloc");
    system.or(implementation.strip_suffix("-mimalloc")).unwrap_or(implementation)
}

struct Traced {
    operations: Operations,
    provider: SdkTracerProvider,
    delivered: Arc<AtomicU64>,
    outcome: Outcome,
}

/// The outcome that the spans have to have.
enum Outcome {
    Exported,
    SampledOut,
    Nowhere,
}

impl Subject for Traced {
    fn run(&self, ops: u64) {
        tracing_macros::run(&self.operations, ops);
    }

    fn settle(&self) {
        loop {
            let before = self.delivered.load(SeqCst);
            let flushed = self.provider.force_flush();
            if flushed.is_ok() && self.delivered.load(SeqCst) == before {
                return;
            }
        }
    }

    fn tally(&self, made: u64) -> Tally {
        let exported = self.delivered.load(SeqCst);
        let others = made.saturating_sub(exported);
        match self.outcome {
            Outcome::Exported => Tally { exported, ..Tally::default() },
            // The SDK counts no span that it samples out.
            Outcome::SampledOut => Tally { exported, sampled_out: others, ..Tally::default() },
            Outcome::Nowhere => Tally { exported, nowhere: others, ..Tally::default() },
        }
    }
}

/// Counts spans and drops them.
#[derive(Debug)]
struct Null(Arc<AtomicU64>);

impl SpanExporter for Null {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.fetch_add(batch.len() as u64, SeqCst);
        Ok(())
    }
}

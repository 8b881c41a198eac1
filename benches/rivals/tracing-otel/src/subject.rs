//! The workloads' spans as `tracing` macros; nothing is lost: bursts of 20,000 into 65536/512.
//!
//! `tracing-otel` has the layer's defaults. `tracing-otel-lean` switches off what it adds to every
//! span: location, thread, busy and idle time, target. Both keep to INFO and above.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use spanwise_bench_harness::{Arguments, Request, Shape, Subject, Tally};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tracing::level_filters::LevelFilter;
use tracing::{info, info_span};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

pub fn build(arguments: &Arguments) -> Result<Box<dyn Subject>, String> {
    let shape = arguments.workload.shape;
    if !matches!(shape, Shape::Root | Shape::Request) {
        return Err(format!(
            "{} does not run {}",
            arguments.implementation, arguments.workload.name
        ));
    }
    let delivered = Arc::new(AtomicU64::new(0));
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(65_536)
        .with_max_export_batch_size(512)
        .build();
    let processor =
        BatchSpanProcessor::builder(Null(delivered.clone())).with_batch_config(config).build();
    let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    let layer = match arguments.implementation.as_str() {
        "tracing-otel" => layer,
        "tracing-otel-lean" => layer
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false),
        other => return Err(format!("no implementation {other}")),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO));
    tracing::subscriber::set_global_default(subscriber).map_err(|error| error.to_string())?;
    Ok(Box::new(Traced { shape, request: Request::sample(), provider, delivered }))
}

struct Traced {
    shape: Shape,
    request: Request,
    provider: SdkTracerProvider,
    delivered: Arc<AtomicU64>,
}

impl Subject for Traced {
    fn run(&self, ops: u64) {
        match self.shape {
            Shape::Root => (0..ops).for_each(|_| root()),
            _ => (0..ops).for_each(|_| request(&self.request)),
        }
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

    fn tally(&self, _made: u64) -> Tally {
        Tally { exported: self.delivered.load(SeqCst), ..Tally::default() }
    }
}

fn root() {
    drop(info_span!("op", http.method = "GET", http.status = 200).entered());
}

fn request(request: &Request) {
    let _server = info_span!(
        "GET /users/{id}/orders",
        otel.kind = "server",
        http.request.method = "GET",
        url.scheme = "https",
        url.path = request.path.as_str(),
        http.route = request.route.as_str(),
        server.address = request.host.as_str(),
        server.port = 443,
        network.protocol.version = "1.1",
        client.address = request.client.as_str(),
        user_agent.original = request.agent.as_str(),
        http.response.status_code = 200,
    )
    .entered();
    for (index, statement) in request.statements.iter().enumerate() {
        // A name known at run time goes through a field.
        let _child = info_span!(
            "query",
            otel.kind = "client",
            otel.name = statement.operation,
            db.system.name = "postgresql",
            db.query.text = statement.text.as_str(),
            db.collection.name = statement.collection.as_str(),
            db.response.returned_rows = statement.rows,
        )
        .entered();
        if index == 0 {
            info!(cache.key = request.cache_key.as_str(), cache.tier = 2, "cache miss");
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

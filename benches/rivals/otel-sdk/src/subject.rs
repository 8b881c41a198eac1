//! The SDK's set-ups.
//!
//! `otel-sdk` has the batch processor's defaults (2048/512), `otel-sdk-64k` 65536/2048, both lose
//! the spans that do not fit. `otel-sdk-paced` loses none: bursts of 20,000 into 65536/512; end to end,
//! where small queues are its fastest, it has 2048/512 and the caller sleeps while the queue is full.
//! `opentelemetry-api` is no SDK: it measures the API itself.

use crate::encode::Encode;
use crate::exporter::{Counted, HANDED_OVER, Null, REQUESTS};
use crate::null_tracer::NullTracer;
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::trace::{Tracer, TracerProvider as _};
use opentelemetry_otlp::{
    Protocol, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanExporter, TracerProviderBuilder,
};
use spanwise_bench_harness::{
    Arguments, Compression, Export, Operations, Sampler, Subject, Tally, Tracer as Held, Workload, otel_api,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::runtime::Runtime;

pub fn build(arguments: &Arguments) -> Result<Box<dyn Subject>, String> {
    let Arguments { workload, implementation, .. } = arguments;
    // The name of another allocator behind it concerns the binary alone.
    let name = implementation.trim_end_matches("-mimalloc").trim_end_matches("-jemalloc");
    let paced = name == "otel-sdk-paced";
    let (queue, batch) = match name {
        "opentelemetry-api" => {
            let tracer = NullTracer::new(workload.sampler);
            return Ok(match workload.tracer {
                Held::Typed => Box::new(Api::new(tracer, workload)),
                Held::Boxed => {
                    global::set_tracer_provider(tracer);
                    Box::new(Api::new(global::tracer("bench"), workload))
                }
            });
        }
        "otel-sdk" => (2048, 512),
        "otel-sdk-64k" => (65_536, 2048),
        "otel-sdk-paced" if workload.export == Export::Dead => {
            return Err(format!("{name}: no span is delivered, so its caller would wait for ever"));
        }
        "otel-sdk-paced" if workload.export == Export::None => (65_536, 512),
        "otel-sdk-paced" => (2048, 512),
        other => return Err(format!("no implementation {other}")),
    };
    let batch = workload.batch_spans.map_or(batch, |spans| spans as usize);
    // A queue that a batch fills while another is sent.
    let queue = queue.max(2 * batch);
    if workload.name == "encode" || workload.name == "encode-json" {
        return Ok(Box::new(Encode::new(workload.name == "encode-json")));
    }

    let delivered = Arc::new(AtomicU64::new(0));
    let mut provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder_empty().with_service_name("bench").build());
    if workload.sampler == Sampler::Off {
        provider = provider.with_sampler(opentelemetry_sdk::trace::Sampler::AlwaysOff);
    }
    if let Some(ratio) = workload.sampler.ratio() {
        let ratio = opentelemetry_sdk::trace::Sampler::TraceIdRatioBased(ratio);
        let sampler = opentelemetry_sdk::trace::Sampler::ParentBased(Box::new(ratio));
        provider = provider.with_sampler(sampler);
    }
    let mut runtime = None;
    if workload.processor {
        let endpoint = arguments.endpoint.clone();
        let endpoint = || endpoint.ok_or("--endpoint is missing");
        let sized = |provider, exporter| with_batch(provider, exporter, queue, batch);
        provider = match workload.export {
            Export::None => with_batch(provider, Null(delivered.clone()), queue, batch),
            Export::Http | Export::HttpJson | Export::Dead => {
                let in_json = workload.export == Export::HttpJson;
                let protocol = if in_json { Protocol::HttpJson } else { Protocol::HttpBinary };
                let inner = opentelemetry_otlp::SpanExporter::builder()
                    .with_http()
                    .with_protocol(protocol)
                    .with_endpoint(format!("{}/v1/traces", endpoint()?));
                let inner = match compression(workload) {
                    Some(compression) => inner.with_compression(compression),
                    None => inner,
                };
                let inner = inner.build().map_err(|error| error.to_string())?;
                sized(provider, Counted { inner, delivered: delivered.clone() })
            }
            Export::Grpc => {
                let started = tokio::runtime::Builder::new_multi_thread().enable_all().build();
                let started = started.map_err(|error| error.to_string())?;
                let _inside = started.enter();
                let inner = opentelemetry_otlp::SpanExporter::builder()
                    .with_tonic()
                    .with_endpoint(endpoint()?);
                let inner = match compression(workload) {
                    Some(compression) => inner.with_compression(compression),
                    None => inner,
                };
                let inner = inner.build().map_err(|error| error.to_string())?;
                let provider = sized(provider, Counted { inner, delivered: delivered.clone() });
                drop(_inside);
                runtime = Some(started);
                provider
            }
        };
    }
    let provider = provider.build();
    let pace = (paced && workload.export != Export::None).then_some(queue as u64 - 100);
    let operations = Operations::new(workload);
    let common =
        Sdk { provider, delivered, workload: workload.clone(), pace, paced, _runtime: runtime };
    Ok(match workload.tracer {
        Held::Typed => {
            let tracer = common.provider.tracer("bench");
            Box::new(Traced { tracer, sdk: common, operations })
        }
        Held::Boxed => {
            global::set_tracer_provider(common.provider.clone());
            let tracer: BoxedTracer = global::tracer("bench");
            Box::new(Traced { tracer, sdk: common, operations })
        }
    })
}

fn compression(workload: &Workload) -> Option<opentelemetry_otlp::Compression> {
    workload.compression.map(|compression| match compression {
        Compression::Gzip => opentelemetry_otlp::Compression::Gzip,
        Compression::Zstd => opentelemetry_otlp::Compression::Zstd,
    })
}

fn with_batch<E: SpanExporter + 'static>(
    provider: TracerProviderBuilder,
    exporter: E,
    queue: usize,
    batch: usize,
) -> TracerProviderBuilder {
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(queue)
        .with_max_export_batch_size(batch)
        .build();
    provider.with_span_processor(
        BatchSpanProcessor::builder(exporter).with_batch_config(config).build(),
    )
}

struct Sdk {
    provider: SdkTracerProvider,
    delivered: Arc<AtomicU64>,
    workload: Workload,
    /// The limit of spans in flight; `None`: the caller never waits.
    pace: Option<u64>,
    /// Whether no span may be lost.
    paced: bool,
    _runtime: Option<Runtime>,
}

struct Traced<T> {
    tracer: T,
    sdk: Sdk,
    operations: Operations,
}

impl<T> Subject for Traced<T>
where
    T: Tracer + Sync,
    T::Span: Send + Sync + 'static,
{
    fn run(&self, ops: u64) {
        let Some(limit) = self.sdk.pace else {
            return otel_api::run(&self.tracer, &self.operations, ops);
        };
        // Everything made before is delivered: `settle` came in between.
        let before = self.sdk.delivered.load(SeqCst);
        for op in 0..ops {
            while before + op * 5 - self.sdk.delivered.load(SeqCst).min(before + op * 5) > limit {
                std::thread::sleep(Duration::from_micros(100));
            }
            otel_api::run(&self.tracer, &self.operations, 1);
        }
    }

    fn settle(&self) {
        // The SDK's flush has its own deadline, and a full queue may reject it: this repeats it until
        // no further span is delivered.
        loop {
            let before = self.sdk.delivered.load(SeqCst);
            let flushed = self.sdk.provider.force_flush();
            if flushed.is_ok() && self.sdk.delivered.load(SeqCst) == before {
                return;
            }
        }
    }

    fn requests(&self) -> Option<u64> {
        Some(REQUESTS.load(SeqCst))
    }

    fn tally(&self, made: u64) -> Tally {
        let workload = &self.sdk.workload;
        let exported = self.sdk.delivered.load(SeqCst);
        let left = made.saturating_sub(exported);
        match (workload.processor, workload.sampler) {
            (false, _) => Tally { nowhere: made, ..Tally::default() },
            (_, Sampler::Off) => Tally { exported, sampled_out: left, ..Tally::default() },
            // The SDK counts no span that it samples out. A paced row must lose none, so all others are,
            // and the harness compares them with the count of the calling code.
            (_, Sampler::Half | Sampler::Least) => {
                let sampled = self.operations.sampled() * workload.spans_per_op;
                let lost = if self.sdk.paced { 0 } else { sampled.saturating_sub(exported) };
                Tally { exported, lost, sampled_out: left.saturating_sub(lost), nowhere: 0 }
            }
            // A paced row must lose no span: a lost span stays uncounted here, so that the sum check
            // fails.
            _ if self.sdk.paced => Tally { exported, ..Tally::default() },
            _ => Tally { exported, lost: left, ..Tally::default() },
        }
    }

    fn sampled_ops(&self) -> u64 {
        self.operations.sampled()
    }

    /// All spans but those that the exporter had. Those in the queue, at most 2,048 and a batch, count as
    /// refused until it has them.
    fn refused(&self, made: u64) -> u64 {
        made.saturating_sub(HANDED_OVER.load(SeqCst))
    }

    fn close(&self) {
        // `tally` counts every span that was not delivered as lost.
        let _failed = self.sdk.provider.shutdown_with_timeout(CLOSE_TAKES);
    }
}

/// The API over a tracer that does nothing.
struct Api<T> {
    tracer: T,
    operations: Operations,
    workload: Workload,
}

impl<T> Api<T> {
    fn new(tracer: T, workload: &Workload) -> Self {
        Self { tracer, operations: Operations::new(workload), workload: workload.clone() }
    }
}

impl<T> Subject for Api<T>
where
    T: Tracer + Sync,
    T::Span: Send + Sync + 'static,
{
    fn run(&self, ops: u64) {
        otel_api::run(&self.tracer, &self.operations, ops);
    }

    fn settle(&self) {}

    fn tally(&self, made: u64) -> Tally {
        if self.workload.sampler.ratio().is_none() {
            return Tally { nowhere: made, ..Tally::default() };
        }
        let nowhere = self.sampled_ops() * self.workload.spans_per_op;
        Tally { nowhere, sampled_out: made - nowhere, ..Tally::default() }
    }

    fn sampled_ops(&self) -> u64 {
        self.operations.sampled()
    }
}

const CLOSE_TAKES: Duration = Duration::from_secs(1);

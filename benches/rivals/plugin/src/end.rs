//! The end of a span alone: finished spans, made before the clock runs, go to a processor.

use opentelemetry::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span, SpanData,
    SpanExporter, SpanProcessor,
};
use spanwise_bench_harness::{Operations, Subject, Tally, Workload, otel_api};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The outcome of the spans that were made so far, given their count.
type Count = Arc<dyn Fn(u64) -> Tally + Send + Sync>;

/// Passes spans of the workload to `processor`.
pub struct Ends<P> {
    processor: P,
    tally: Count,
    tracer: SdkTracer,
    operations: Operations,
    prepared: Prepared,
}

impl<P: SpanProcessor> Ends<P> {
    pub fn new(workload: &Workload, mut processor: P, tally: Count) -> Self {
        processor.set_resource(&Resource::builder_empty().with_service_name("bench").build());
        let prepared = Prepared::default();
        let provider = SdkTracerProvider::builder().with_span_processor(prepared.clone()).build();
        Self {
            processor,
            tally,
            tracer: provider.tracer("bench"),
            operations: Operations::new(workload),
            prepared,
        }
    }
}

impl<P: SpanProcessor> Subject for Ends<P> {
    fn prepare(&self, ops: u64) {
        otel_api::run(&self.tracer, &self.operations, ops);
    }

    fn run(&self, ops: u64) {
        let mut spans = std::mem::take(&mut *self.prepared.lock());
        assert_eq!(spans.len() as u64, ops * 5, "the harness prepares what it runs");
        for span in spans.drain(..) {
            self.processor.on_end(span);
        }
        // Its memory is for the next spans.
        *self.prepared.lock() = spans;
    }

    fn settle(&self) {
        // `tally` returns the spans that the flush did not deliver.
        let _lost = self.processor.force_flush();
    }

    fn tally(&self, made: u64) -> Tally {
        (self.tally)(made)
    }
}

/// Spans that ended, and wait for the clock to run.
#[derive(Debug, Clone, Default)]
struct Prepared(Arc<Mutex<Vec<SpanData>>>);

impl Prepared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SpanData>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanProcessor for Prepared {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.lock().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Drops spans at their end, and counts them.
#[derive(Debug, Clone, Default)]
struct Discards(Arc<AtomicU64>);

impl SpanProcessor for Discards {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        drop(std::hint::black_box(span));
        self.0.fetch_add(1, SeqCst);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The SDK with a processor that drops.
pub struct Dropping {
    tracer: SdkTracer,
    operations: Operations,
    dropped: Discards,
}

impl Dropping {
    pub fn new(workload: &Workload) -> Self {
        let dropped = Discards::default();
        let provider = SdkTracerProvider::builder().with_span_processor(dropped.clone()).build();
        Self { tracer: provider.tracer("bench"), operations: Operations::new(workload), dropped }
    }
}

impl Subject for Dropping {
    fn run(&self, ops: u64) {
        otel_api::run(&self.tracer, &self.operations, ops);
    }

    fn settle(&self) {}

    fn tally(&self, _made: u64) -> Tally {
        Tally { nowhere: self.dropped.0.load(SeqCst), ..Tally::default() }
    }
}

/// The SDK's batch processor, with a queue that holds a burst, so that it loses no span.
pub fn stock(workload: &Workload) -> Box<dyn Subject> {
    let delivered = Arc::new(AtomicU64::new(0));
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(65_536)
        .with_max_export_batch_size(512)
        .build();
    let exporter = Null(delivered.clone());
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    let tally = move |_made| Tally { exported: delivered.load(SeqCst), ..Tally::default() };
    Box::new(Ends::new(workload, processor, Arc::new(tally)))
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

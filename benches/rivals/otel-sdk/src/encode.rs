//! Encoding of a batch to the bytes of a request, in protobuf or JSON, as the HTTP exporter does it: convert,
//! encode, drop.
//!
//! The clone that the gRPC exporter adds at every attempt is left out, in the rival's favour.

use crate::exporter::Counted;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use prost::Message as _;
use spanwise_bench_harness::{Request, Subject, Tally, otel_api};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

pub struct Encode {
    in_json: bool,
    batch: Vec<SpanData>,
    resource: ResourceAttributesWithSchema,
    ready: Mutex<Vec<Vec<SpanData>>>,
    last: Mutex<Vec<u8>>,
    encoded: AtomicU64,
}

impl Encode {
    pub fn new(in_json: bool) -> Self {
        let finished = Collected::default();
        let exporter = Counted { inner: finished.clone(), delivered: Arc::default() };
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter).build();
        let tracer = provider.tracer("bench");
        let request = Request::sample();
        (0..BATCH.div_ceil(5)).for_each(|_| otel_api::request(&tracer, &request));
        let mut batch = std::mem::take(&mut *finished.0.lock().unwrap());
        batch.truncate(BATCH);
        let resource = Resource::builder_empty().with_service_name("bench").build();
        Self {
            in_json,
            batch,
            resource: (&resource).into(),
            ready: Mutex::default(),
            last: Mutex::default(),
            encoded: AtomicU64::new(0),
        }
    }
}

impl Subject for Encode {
    fn prepare(&self, ops: u64) {
        *self.ready.lock().unwrap() = (0..ops).map(|_| self.batch.clone()).collect();
    }

    fn run(&self, ops: u64) {
        let mut ready = self.ready.lock().unwrap();
        let mut last = Vec::new();
        for batch in ready.drain(..) {
            let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
            let request = ExportTraceServiceRequest { resource_spans };
            last = match self.in_json {
                false => request.encode_to_vec(),
                true => serde_json::to_vec(&request).unwrap(),
            };
        }
        *self.last.lock().unwrap() = last;
        self.encoded.fetch_add(ops, SeqCst);
    }

    fn settle(&self) {
        let last = self.last.lock().unwrap();
        let request: ExportTraceServiceRequest = match self.in_json {
            false => ExportTraceServiceRequest::decode(&last[..]).unwrap(),
            true => serde_json::from_slice(&last).unwrap(),
        };
        let scopes = request.resource_spans.iter().flat_map(|spans| &spans.scope_spans);
        assert_eq!(scopes.map(|scope| scope.spans.len()).sum::<usize>(), BATCH);
    }

    fn tally(&self, _made: u64) -> Tally {
        Tally { exported: self.encoded.load(SeqCst) * BATCH as u64, ..Tally::default() }
    }

    /// A batch ready to be consumed takes half a megabyte.
    fn burst_spans(&self) -> Option<u64> {
        Some(16 * BATCH as u64)
    }
}

/// An exporter that collects spans.
#[derive(Debug, Clone, Default)]
struct Collected(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Collected {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

const BATCH: usize = 512;

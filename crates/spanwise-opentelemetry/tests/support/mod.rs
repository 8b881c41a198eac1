//! A processor or an exporter with a receiver of its own, and spans of the stock SDK.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot start must fail")]

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData, SpanEvents, SpanLinks,
};
use spanwise_opentelemetry::{
    BatchSpanProcessor, BatchSpanProcessorBuilder, OtlpExporter, OtlpExporterBuilder, Snapshot,
};
use spanwise_receiver::Collected;
use spanwise_testkit::{SpanSpec, replay_on};
use std::time::{Duration, UNIX_EPOCH};

/// A timeout for events that take milliseconds on an idle machine.
pub const LONG: Duration = Duration::from_secs(20);

/// A builder that reads no environment variables and discards its diagnostics.
pub fn processor() -> BatchSpanProcessorBuilder {
    BatchSpanProcessor::builder().with_environment(|_| None).with_diagnostics(|_| {})
}

/// As [`processor`], of an exporter.
pub fn exporter() -> OtlpExporterBuilder {
    OtlpExporter::builder().with_environment(|_| None).with_diagnostics(|_| {})
}

/// A provider with the processor, which samples every span.
pub fn provider(processor: &BatchSpanProcessor) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_span_processor(processor.clone())
        .build()
}

/// All requests of a receiver as one, decoded by prost.
pub fn received(collected: &Collected) -> ExportTraceServiceRequest {
    let mut all = ExportTraceServiceRequest::default();
    for body in collected.bodies() {
        all.resource_spans.extend(spanwise_testkit::decode(&body).resource_spans);
    }
    all
}

/// The spans that the stock SDK makes of `specs`.
pub fn recorded(specs: &[SpanSpec]) -> Vec<SpanData> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_simple_exporter(exporter.clone())
        .build();
    for spec in specs {
        replay_on(&provider, spec);
    }
    exporter.get_finished_spans().unwrap()
}

/// The request that the stock exporter makes of `spans`.
pub fn stock(resource: &Resource, spans: Vec<SpanData>) -> ExportTraceServiceRequest {
    let resource = ResourceAttributesWithSchema::from(resource);
    ExportTraceServiceRequest {
        resource_spans: group_spans_by_resource_and_scope(spans, &resource),
    }
}

/// A span made by hand.
pub fn span(id: u64) -> SpanData {
    let (trace_id, span_id) = (TraceId::from(u128::from(id)), SpanId::from(id));
    let context =
        SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, Default::default());
    SpanData {
        span_context: context,
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "span".into(),
        start_time: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        end_time: UNIX_EPOCH + Duration::from_secs(1_700_000_001),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: Default::default(),
    }
}

/// Checks that the ledger balances and that no span is in flight.
pub fn assert_idle(ledger: &Snapshot) {
    ledger.check().unwrap();
    assert_eq!(ledger.in_flight, 0);
}

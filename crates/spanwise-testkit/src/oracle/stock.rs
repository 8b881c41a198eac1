//! The stock SDK as the oracle: its encoding of a [`SpanSpec`].

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider};

use crate::{SpanSpec, replay_on};

/// Replays `specs` on the stock SDK with `AlwaysOn`, default limits and `resource`.
///
/// Ids are random: compare after [`forget_generated_ids`](crate::forget_generated_ids). Unlike the
/// specification and Spanwise, the stock SDK exports both of two attributes with one key.
///
/// # Panics
/// If the stock SDK fails.
#[expect(clippy::expect_used, reason = "an oracle that fails must fail the test")]
pub fn stock_request(resource: &Resource, specs: &[SpanSpec]) -> ExportTraceServiceRequest {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_sampler(Sampler::AlwaysOn)
        .with_simple_exporter(exporter.clone())
        .build();
    for spec in specs {
        replay_on(&provider, spec);
    }
    let spans = exporter.get_finished_spans().expect("the in-memory exporter answers");
    let resource = ResourceAttributesWithSchema::from(resource);
    ExportTraceServiceRequest {
        resource_spans: group_spans_by_resource_and_scope(spans, &resource),
    }
}

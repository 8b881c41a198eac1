//! The workloads' operations by the account of another implementation: the stock SDK.

use opentelemetry::trace::{SpanId, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use spanwise_bench_harness::{Operations, Workload, otel_api};

#[test]
fn every_shape_makes_the_spans_of_its_workload() {
    for name in ["w1", "w1-boxed-in-span", "w3", "w3-builder", "w3-in-span", "w3-kept", "dropped"] {
        let workload = Workload::named(name).unwrap();
        let (spans, operations) = run(&workload, Sampler::AlwaysOn);
        assert_eq!(spans.len() as u64, workload.spans_per_op, "{name}");
        let attributes: usize = spans.iter().map(|span| span.attributes.len()).sum();
        assert_eq!(attributes as u64, workload.attributes_per_op, "{name}");
        let events: Vec<_> = spans.iter().flat_map(|span| span.events.iter()).collect();
        assert_eq!(events.len() as u64, workload.events_per_op, "{name}");
        assert!(events.iter().all(|event| event.attributes.len() == 2), "{name}");
        let is_root = |span: &&SpanData| span.parent_span_id == SpanId::INVALID;
        let server = spans.iter().find(is_root).unwrap();
        let children =
            spans.iter().filter(|span| span.parent_span_id == server.span_context.span_id());
        assert_eq!(children.count() as u64, workload.spans_per_op - 1, "{name}");
        // Only a workload with a ratio counts.
        let counted = u64::from(workload.sampler.ratio().is_some());
        assert_eq!(operations.sampled(), counted, "{name}");
    }
}

#[test]
fn requests_differ_only_in_the_way_they_are_written() {
    let contents = ["w3", "w3-builder", "w3-in-span"].map(|name| {
        let (spans, _) = run(&Workload::named(name).unwrap(), Sampler::AlwaysOn);
        let content = |span: &SpanData| {
            let attributes = span.attributes.iter();
            let mut attributes: Vec<_> =
                attributes.map(|it| format!("{}={}", it.key, it.value)).collect();
            attributes.sort();
            format!("{} {attributes:?}", span.name)
        };
        let mut contents: Vec<_> = spans.iter().map(content).collect();
        contents.sort();
        contents
    });
    assert_eq!(contents[0], contents[1]);
    assert_eq!(contents[0], contents[2]);
}

#[test]
fn operations_that_are_not_sampled_are_not_counted() {
    for name in ["w1-kept", "w2-kept", "w3-kept"] {
        let (spans, operations) = run(&Workload::named(name).unwrap(), Sampler::AlwaysOff);
        assert_eq!((spans.len(), operations.sampled()), (0, 0), "{name}");
    }
}

/// One operation.
fn run(workload: &Workload, sampler: Sampler) -> (Vec<SpanData>, Operations) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .with_sampler(sampler)
        .build();
    let operations = Operations::new(workload);
    otel_api::run(&provider.tracer("test"), &operations, 1);
    (exporter.get_finished_spans().unwrap_or_default(), operations)
}

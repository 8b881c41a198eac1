//! The metrics of the processor: through a meter of the stock SDK, and over OTLP.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Tracer as _, TracerProvider as _};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use prost::Message as _;
use spanwise_opentelemetry::{Bytes, MetricsExport, Outcome};
use spanwise_receiver::Receiver;
use spanwise_transport::{Signal, Transport};
use std::sync::{Arc, Mutex};
use support::{LONG, processor};

#[test]
fn the_metrics_of_a_processor_leave_by_a_meter_and_over_otlp() {
    let (receiver, _collected) = Receiver::collecting().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let received = requests.clone();
    let sink = move |request: Bytes| {
        received.lock().unwrap().push(ExportMetricsServiceRequest::decode(request).unwrap());
        async { Outcome::Accepted { rejected: 0, message: None } }
    };
    let transport = Transport::builder().with_signal(Signal::Metrics).with_sink(sink);
    let export = MetricsExport::new().with_transport(transport.build().unwrap());
    let builder = processor().with_endpoint(receiver.http_endpoint());
    let processor = builder.with_metrics_export(export).build().unwrap();
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder_empty().with_service_name("shop").build())
        .with_span_processor(processor.clone())
        .build();
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).with_interval(LONG * 60).build();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    processor.register_metrics(&meters.meter("spanwise"));
    let tracer = provider.tracer("metrics");
    (0..7).for_each(|_| drop(tracer.start("work")));
    provider.shutdown().unwrap();
    meters.force_flush().unwrap();

    let found = exporter.get_finished_metrics().unwrap();
    let exported = found[0].scope_metrics().flat_map(|it| it.metrics());
    let exported = exported.filter(|it| it.name() == "otel_spans_exported").map(|it| it.data());
    let sums = exported.filter_map(|it| match it {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            sum.data_points().next().map(|it| it.value())
        }
        _ => None,
    });
    assert_eq!(sums.collect::<Vec<_>>(), [7]);
    let ours = processor.metrics();
    let points = ours.get("otel_spans_exported").unwrap().data.numbers().unwrap();
    assert_eq!(points[0].value.as_u64(), Some(7));

    // The resource is that of the provider, which set it after the start.
    let requests = requests.lock().unwrap();
    let last = &requests.last().unwrap().resource_metrics[0];
    let resource = format!("{:?}", last.resource);
    assert!(resource.contains("service.name") && resource.contains("shop"), "{resource}");
    let names = last.scope_metrics[0].metrics.iter().map(|it| &*it.name);
    assert!(names.collect::<Vec<_>>().contains(&"otel_spans_exported"));
}

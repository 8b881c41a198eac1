//! OTLP requests, decoded by the types of `opentelemetry-proto`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar as ProtoExemplar, Metric as ProtoMetric, exemplar,
    number_data_point,
};
use proptest::prelude::*;
use prost::Message;
use spanwise_metrics::{
    Attribute, Exemplar, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, Metric,
    MetricData, MetricsSnapshot, NumberPoint, OwnedValue, SpanId, TraceId, encode_request,
};
use spanwise_wire::write::{encode_resource, encode_scope};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

fn request(metric: Metric) -> ExportMetricsServiceRequest {
    let mut snapshot = MetricsSnapshot::new(7, 9);
    snapshot.push(metric).unwrap();
    let resource = encode_resource([("service.name", "shop")], "https://schema/1");
    let scope = encode_scope("spanwise", "0.1", [] as [(&str, &str); 0], "");
    let bytes = encode_request(&snapshot, &resource, &scope);
    let request = ExportMetricsServiceRequest::decode(bytes.as_slice()).unwrap();
    // An unknown or a repeated field would be lost here.
    assert_eq!(request.encoded_len(), bytes.len());
    request
}

fn decoded(metric: Metric) -> ProtoMetric {
    let request = request(metric);
    let [resource] = request.resource_metrics.try_into().unwrap();
    let [scope] = resource.scope_metrics.try_into().unwrap();
    let [metric] = scope.metrics.try_into().unwrap();
    metric
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = any_value::Value::StringValue(value.to_owned());
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn with_span(value: f64) -> Exemplar {
    let mut exemplar = Exemplar::new(value, 8, TraceId(0xab), SpanId(0xcd));
    exemplar.filtered_attributes = vec![Attribute::new("user", "7")];
    exemplar
}

fn proto_exemplar(value: f64) -> ProtoExemplar {
    ProtoExemplar {
        filtered_attributes: vec![text("user", "7")],
        time_unix_nano: 8,
        span_id: 0xcd_u64.to_be_bytes().to_vec(),
        trace_id: 0xab_u128.to_be_bytes().to_vec(),
        value: Some(exemplar::Value::AsDouble(value)),
    }
}

#[test]
fn resource_scope_and_metadata_are_written() {
    let metric = Metric::new("a.b", "By", MetricData::Gauge(vec![NumberPoint::new(1_u64)]))
        .with_description("Bytes");
    let request = request(metric);
    let resource = &request.resource_metrics[0];
    assert_eq!(resource.schema_url, "https://schema/1");
    assert_eq!(resource.resource.as_ref().unwrap().attributes, [text("service.name", "shop")]);
    let scope = &resource.scope_metrics[0];
    let name = scope.scope.as_ref().unwrap();
    assert_eq!((&*name.name, &*name.version), ("spanwise", "0.1"));
    let metric = &scope.metrics[0];
    assert_eq!((&*metric.name, &*metric.description, &*metric.unit), ("a.b", "Bytes", "By"));
}

#[test]
fn counters_and_up_down_counters_are_cumulative_sums() {
    let point = NumberPoint::new(u64::MAX)
        .with_attributes([
            Attribute::new("reason", "queue_full"),
            Attribute::new("", "no key"),
            Attribute { key: "none".into(), value: OwnedValue::Absent },
        ])
        .with_exemplar(with_span(1.5));
    for (data, is_monotonic) in [
        (MetricData::Counter(vec![point.clone()]), true),
        (MetricData::UpDownCounter(vec![point.clone()]), false),
    ] {
        let Some(Data::Sum(sum)) = decoded(Metric::new("n", "", data)).data else { panic!() };
        assert_eq!((sum.is_monotonic, sum.aggregation_temporality), (is_monotonic, CUMULATIVE));
        let [point] = sum.data_points.try_into().unwrap();
        assert_eq!(point.value, Some(number_data_point::Value::AsInt(i64::MAX)));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (7, 9));
        assert_eq!(point.attributes, [text("reason", "queue_full")]);
        assert_eq!(point.exemplars, [proto_exemplar(1.5)]);
    }
}

#[test]
fn a_gauge_has_no_start() {
    let data = MetricData::Gauge(vec![NumberPoint::new(-2.5), NumberPoint::new(-3_i64)]);
    let Some(Data::Gauge(gauge)) = decoded(Metric::new("n", "", data)).data else { panic!() };
    let values: Vec<_> = gauge.data_points.iter().map(|point| point.value).collect();
    assert_eq!(
        values,
        [Some(number_data_point::Value::AsDouble(-2.5)), Some(number_data_point::Value::AsInt(-3))]
    );
    assert!(gauge.data_points.iter().all(|point| point.start_time_unix_nano == 0));
}

#[test]
fn a_metric_without_points_is_left_out() {
    let request = request(Metric::new("n", "", MetricData::Gauge(Vec::new())));
    assert!(request.resource_metrics[0].scope_metrics[0].metrics.is_empty());
}

proptest! {
    #[test]
    fn histograms_are_read_back(
        counts in proptest::collection::vec(any::<u32>(), 1..40),
        sum in any::<f64>().prop_filter("NaN is no equal", |sum| !sum.is_nan()),
    ) {
        let bounds: Vec<f64> = (1..counts.len()).map(|bound| bound as f64 / 3.0).collect();
        let counts: Vec<u64> = counts.into_iter().map(u64::from).collect();
        let point = HistogramPoint::new(bounds.clone(), counts.clone(), sum)
            .with_attributes([Attribute::new("k", true)])
            .with_exemplars([with_span(0.5)]);
        let data = MetricData::Histogram(vec![point]);
        let Some(Data::Histogram(read)) = decoded(Metric::new("n", "s", data)).data else { panic!() };
        prop_assert_eq!(read.aggregation_temporality, CUMULATIVE);
        let [read] = read.data_points.try_into().unwrap();
        prop_assert_eq!((read.start_time_unix_nano, read.time_unix_nano), (7, 9));
        prop_assert_eq!((read.count, read.sum), (counts.iter().sum(), Some(sum)));
        prop_assert_eq!((read.bucket_counts, read.explicit_bounds), (counts, bounds));
        prop_assert_eq!(read.exemplars, [proto_exemplar(0.5)]);
        prop_assert_eq!(read.attributes.len(), 1);
    }

    #[test]
    fn exponential_histograms_are_read_back(
        counts in proptest::collection::vec(any::<u32>(), 0..170),
        scale in -10..=20,
        offset in any::<i32>(),
        zeros in any::<u32>(),
    ) {
        let counts: Vec<u64> = counts.into_iter().map(u64::from).collect();
        let buckets = ExponentialBuckets::new(offset, counts.clone());
        let point = ExponentialHistogramPoint::new(scale, buckets, 2.5)
            .with_attributes([Attribute::new("k", 3)])
            .with_zeros(zeros.into(), 0.25);
        let data = MetricData::ExponentialHistogram(vec![point]);
        let metric = decoded(Metric::new("n", "s", data));
        let Some(Data::ExponentialHistogram(read)) = metric.data else { panic!() };
        let [read] = read.data_points.try_into().unwrap();
        prop_assert_eq!((read.scale, read.zero_count, read.zero_threshold), (scale, zeros.into(), 0.25));
        prop_assert_eq!((read.count, read.sum), (counts.iter().sum::<u64>() + u64::from(zeros), Some(2.5)));
        let positive = read.positive.unwrap();
        prop_assert_eq!((positive.offset, positive.bucket_counts), (offset, counts));
        prop_assert_eq!(read.attributes.len(), 1);
    }
}

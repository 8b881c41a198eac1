//! Both text formats: exact texts, and whatever the encoder writes read by a strict parser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

mod support;

use proptest::prelude::*;
use spanwise_metrics::{
    Attribute, Exemplar, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, Metric,
    MetricData, MetricsSnapshot, NumberPoint, SpanId, TextEncoder, TextFormat, TraceId,
};
use support::parse;

const FORMATS: [TextFormat; 2] = [TextFormat::Prometheus, TextFormat::OpenMetrics];

fn snapshot(metrics: impl IntoIterator<Item = Metric>) -> MetricsSnapshot {
    let mut snapshot = MetricsSnapshot::new(1_700_000_000_000_000_000, 1_700_000_060_000_000_000);
    metrics.into_iter().for_each(|metric| snapshot.push(metric).unwrap());
    snapshot
}

fn exemplar(value: f64) -> Exemplar {
    Exemplar::new(value, 1_700_000_001_500_000_000, TraceId(0xab), SpanId(0xcd))
}

fn world() -> MetricsSnapshot {
    let dropped = vec![
        NumberPoint::new(3_u64)
            .with_attributes([Attribute::new("error.type", "queue_full")])
            .with_exemplar(exemplar(1.0)),
        NumberPoint::new(0_u64).with_attributes([Attribute::new("error.type", "\"a\\b\"\n")]),
    ];
    let durations = HistogramPoint::new([0.005, 1.0].as_slice().to_vec(), [2, 1, 1], 4.75)
        .with_attributes([Attribute::new("server.port", 4318)])
        .with_exemplars([exemplar(0.004), exemplar(0.005), exemplar(3.5)]);
    snapshot([
        Metric::new("otel.sdk.exporter.span.exported", "{span}", MetricData::Counter(dropped))
            .with_description("Spans with\nan \"outcome\""),
        Metric::new(
            "otel.sdk.processor.span.queue.size",
            "{span}",
            MetricData::UpDownCounter(vec![NumberPoint::new(-1_i64)]),
        ),
        Metric::new("queue.fill", "1", MetricData::Gauge(vec![NumberPoint::new(0.5)])),
        Metric::new(
            "otel.sdk.exporter.operation.duration",
            "s",
            MetricData::Histogram(vec![durations]),
        ),
    ])
}

#[test]
fn prometheus_text_is_exact() {
    let expected = r#"# TYPE otel_sdk_exporter_span_exported_total counter
# HELP otel_sdk_exporter_span_exported_total Spans with\nan "outcome"
otel_sdk_exporter_span_exported_total{error_type="queue_full"} 3
otel_sdk_exporter_span_exported_total{error_type="\"a\\b\"\n"} 0
# TYPE otel_sdk_processor_span_queue_size gauge
otel_sdk_processor_span_queue_size -1
# TYPE queue_fill_ratio gauge
queue_fill_ratio 0.5
# TYPE otel_sdk_exporter_operation_duration_seconds histogram
otel_sdk_exporter_operation_duration_seconds_bucket{server_port="4318",le="0.005"} 2
otel_sdk_exporter_operation_duration_seconds_bucket{server_port="4318",le="1"} 3
otel_sdk_exporter_operation_duration_seconds_bucket{server_port="4318",le="+Inf"} 4
otel_sdk_exporter_operation_duration_seconds_sum{server_port="4318"} 4.75
otel_sdk_exporter_operation_duration_seconds_count{server_port="4318"} 4
"#;
    // Its samples have no exemplars and no `_created`.
    let encoder = TextEncoder::new(TextFormat::Prometheus).with_created(true);
    assert_eq!(encoder.encode(&world()), expected);
    parse(expected, false);
}

#[test]
fn open_metrics_text_is_exact() {
    let id = r#"{trace_id="000000000000000000000000000000ab",span_id="00000000000000cd"}"#;
    let expected = format!(
        r#"# TYPE target info
# HELP target Target metadata
target_info{{service_name="shop"}} 1
# TYPE otel_sdk_exporter_span_exported counter
# HELP otel_sdk_exporter_span_exported Spans with\nan \"outcome\"
otel_sdk_exporter_span_exported_total{{otel_scope_name="spanwise",error_type="queue_full"}} 3 # {id} 1 1700000001.500
otel_sdk_exporter_span_exported_created{{otel_scope_name="spanwise",error_type="queue_full"}} 1700000000.000
otel_sdk_exporter_span_exported_total{{otel_scope_name="spanwise",error_type="\"a\\b\"\n"}} 0
otel_sdk_exporter_span_exported_created{{otel_scope_name="spanwise",error_type="\"a\\b\"\n"}} 1700000000.000
# TYPE otel_sdk_processor_span_queue_size gauge
otel_sdk_processor_span_queue_size{{otel_scope_name="spanwise"}} -1
# TYPE queue_fill_ratio gauge
# UNIT queue_fill_ratio ratio
queue_fill_ratio{{otel_scope_name="spanwise"}} 0.5
# TYPE otel_sdk_exporter_operation_duration_seconds histogram
# UNIT otel_sdk_exporter_operation_duration_seconds seconds
otel_sdk_exporter_operation_duration_seconds_bucket{{otel_scope_name="spanwise",server_port="4318",le="0.005"}} 2 # {id} 0.005 1700000001.500
otel_sdk_exporter_operation_duration_seconds_bucket{{otel_scope_name="spanwise",server_port="4318",le="1.0"}} 3
otel_sdk_exporter_operation_duration_seconds_bucket{{otel_scope_name="spanwise",server_port="4318",le="+Inf"}} 4 # {id} 3.5 1700000001.500
otel_sdk_exporter_operation_duration_seconds_sum{{otel_scope_name="spanwise",server_port="4318"}} 4.75
otel_sdk_exporter_operation_duration_seconds_count{{otel_scope_name="spanwise",server_port="4318"}} 4
otel_sdk_exporter_operation_duration_seconds_created{{otel_scope_name="spanwise",server_port="4318"}} 1700000000.000
# EOF
"#
    );
    let encoder = TextEncoder::new(TextFormat::OpenMetrics)
        .with_scope("spanwise", "")
        .with_resource(&[Attribute::new("service.name", "shop")])
        .with_created(true);
    assert_eq!(encoder.encode(&world()), expected);
    parse(&expected, true);
}

#[test]
fn a_snapshot_without_points_is_an_empty_exposition() {
    let empty = snapshot([Metric::new("a", "", MetricData::Gauge(Vec::new()))]);
    assert_eq!(TextEncoder::new(TextFormat::Prometheus).encode(&empty), "");
    assert_eq!(TextEncoder::new(TextFormat::OpenMetrics).encode(&empty), "# EOF\n");
}

#[test]
fn the_second_of_two_colliding_metrics_is_left_out_and_colliding_points_are_added_up() {
    let gauge = |name: &'static str, value: u64| {
        Metric::new(name, "", MetricData::Gauge(vec![NumberPoint::new(value)]))
    };
    let twice = [
        NumberPoint::new(5_u64).with_attributes([Attribute::new("a.b", 1)]),
        NumberPoint::new(6_u64).with_attributes([Attribute::new("a_b", 1)]),
    ];
    let histogram = HistogramPoint::new(Vec::new(), [1], 1.0);
    let all = snapshot([
        gauge("a.b", 1),
        gauge("a_b", 2),
        Metric::new("h", "", MetricData::Histogram(vec![histogram])),
        gauge("h_count", 3),
        Metric::new("c", "", MetricData::Counter(twice.to_vec())),
        gauge("c_total", 4),
        gauge("target_info", 7),
    ]);
    for format in FORMATS {
        let encoder = TextEncoder::new(format).with_resource(&[Attribute::new("k", "v")]);
        let families = parse(&encoder.encode(&all), format == TextFormat::OpenMetrics);
        let values: Vec<f64> = families.iter().map(|family| family.samples[0].value).collect();
        assert_eq!(values, [1.0, 1.0, 1.0, 11.0], "{format:?}");
    }
}

#[test]
fn values_of_other_types_with_the_same_text_are_one_series() {
    let attributes = || {
        [Attribute::new("status", 200), Attribute::new("status", "200")]
            .map(|attribute| vec![attribute])
    };
    let [one, other] = attributes();
    let explicit = vec![
        HistogramPoint::new(vec![1.0, 2.0], [1, 2, 3], 10.0)
            .with_attributes(one)
            .with_exemplars([exemplar(0.5)]),
        HistogramPoint::new(vec![2.0, 4.0], [10, 20, 30], 100.0)
            .with_attributes(other)
            .with_exemplars([exemplar(9.0)]),
    ];
    let exponential = attributes().map(|attributes| {
        let buckets = ExponentialBuckets::new(6, [4]);
        ExponentialHistogramPoint::new(0, buckets, 5.0)
            .with_zeros(1, 0.0)
            .with_attributes(attributes)
    });
    let all = snapshot([
        Metric::new("h", "", MetricData::Histogram(explicit)),
        Metric::new("e", "", MetricData::ExponentialHistogram(exponential.into())),
    ]);
    for format in FORMATS {
        let text = TextEncoder::new(format).encode(&all);
        parse(&text, format == TextFormat::OpenMetrics);
        let text = text.replace(".0\"", "\"");
        for line in [
            "h_bucket{status=\"200\",le=\"1\"} 1",
            "h_bucket{status=\"200\",le=\"2\"} 13",
            "h_bucket{status=\"200\",le=\"4\"} 33",
            "h_bucket{status=\"200\",le=\"+Inf\"} 66",
            "h_sum{status=\"200\"} 110\n",
            "h_count{status=\"200\"} 66\n",
            "e_bucket{status=\"200\",le=\"64\"} 2\n",
            "e_bucket{status=\"200\",le=\"128\"} 10\n",
            "e_count{status=\"200\"} 10\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}

#[test]
fn a_histogram_of_values_below_zero_has_no_sum() {
    let point = HistogramPoint::new(vec![-1.0, 1.0], [1, 1, 1], -3.0);
    let all = snapshot([Metric::new("h", "", MetricData::Histogram(vec![point]))]);
    for format in FORMATS {
        let text = TextEncoder::new(format).encode(&all);
        parse(&text, format == TextFormat::OpenMetrics);
        let is_open = format == TextFormat::OpenMetrics;
        assert_eq!((text.contains("_sum"), text.contains("_count")), (false, !is_open));
    }
}

#[test]
fn attributes_of_an_exemplar_are_written_while_they_fit() {
    let mut with_attributes = exemplar(1.0);
    with_attributes.filtered_attributes = vec![
        Attribute::new("trace.id", "taken"),
        Attribute::new("long", "x".repeat(80)),
        Attribute::new("user.id", "é".repeat(30)),
        Attribute::new("more", "x".repeat(60)),
    ];
    let outside = Exemplar::new(2.5, 0, TraceId::INVALID, SpanId::INVALID);
    for (exemplar, keys) in
        [(with_attributes, vec!["span_id", "trace_id", "user_id"]), (outside, Vec::new())]
    {
        let point = NumberPoint::new(1_u64).with_exemplar(exemplar);
        let all = snapshot([Metric::new("c", "", MetricData::Counter(vec![point]))]);
        let text = TextEncoder::new(TextFormat::OpenMetrics).encode(&all);
        let families = parse(&text, true);
        let (labels, ..) = families[0].samples[0].exemplar.as_ref().unwrap();
        assert_eq!(labels.keys().collect::<Vec<_>>(), keys);
    }
}

#[test]
fn an_exponential_histogram_has_a_bucket_for_each_power_of_two() {
    // (2^(1/2), 2], (2, 2^(3/2)], (2^(3/2), 4]
    let buckets = ExponentialBuckets::new(1, [1, 2, 4]);
    let point = ExponentialHistogramPoint::new(1, buckets, 20.0).with_zeros(8, 0.0);
    let all = snapshot([Metric::new("h", "s", MetricData::ExponentialHistogram(vec![point]))]);
    let families = parse(&TextEncoder::new(TextFormat::OpenMetrics).encode(&all), true);
    let buckets: Vec<(&str, f64)> = families[0]
        .samples
        .iter()
        .filter_map(|sample| Some((sample.labels.get("le")?.as_str(), sample.value)))
        .collect();
    assert_eq!(buckets, [("1.0", 8.0), ("2.0", 9.0), ("4.0", 15.0), ("+Inf", 15.0)]);
}

/// Attributes with hostile keys and values.
fn attributes() -> impl Strategy<Value = Vec<Attribute>> + Clone {
    let key = prop_oneof![
        "[a-c._]{0,3}",
        "\\PC{0,4}",
        Just("le".to_owned()),
        Just("otel.scope.name".to_owned())
    ];
    let pair = (key, any::<String>()).prop_map(|(key, value)| Attribute::new(key, value));
    proptest::collection::vec(pair, 0..4)
}

fn data() -> impl Strategy<Value = MetricData> {
    let number = (any::<f64>(), attributes())
        .prop_map(|(value, attributes)| NumberPoint::new(value).with_attributes(attributes));
    let counter = (any::<u64>(), attributes())
        .prop_map(|(value, attributes)| NumberPoint::new(value).with_attributes(attributes));
    let histogram = (
        proptest::collection::vec(-1e3..1e3, 0..5),
        proptest::collection::vec(any::<u64>(), 0..7),
        any::<f64>(),
        attributes(),
        proptest::collection::vec(any::<f64>(), 0..5),
    )
        .prop_map(|(bounds, counts, sum, attributes, exemplars)| {
            let exemplars: Vec<Exemplar> = exemplars.into_iter().map(exemplar).collect();
            HistogramPoint::new(bounds, counts, sum)
                .with_attributes(attributes)
                .with_exemplars(exemplars)
        });
    let exponential = (
        -11..21,
        any::<i32>(),
        proptest::collection::vec(any::<u64>(), 0..200),
        any::<u64>(),
        attributes(),
    )
        .prop_map(|(scale, offset, counts, zeros, attributes)| {
            let buckets = ExponentialBuckets::new(offset, counts);
            ExponentialHistogramPoint::new(scale, buckets, 1.0)
                .with_zeros(zeros, 0.0)
                .with_attributes(attributes)
        });
    let many = 1..4;
    prop_oneof![
        proptest::collection::vec(counter, many.clone()).prop_map(MetricData::Counter),
        proptest::collection::vec(number.clone(), many.clone()).prop_map(MetricData::UpDownCounter),
        proptest::collection::vec(number, many.clone()).prop_map(MetricData::Gauge),
        proptest::collection::vec(histogram, many.clone()).prop_map(MetricData::Histogram),
        proptest::collection::vec(exponential, many).prop_map(MetricData::ExponentialHistogram),
    ]
}

proptest! {
    #[test]
    fn a_scraper_reads_whatever_is_written(
        metrics in proptest::collection::vec(("[a-c][._/a-c-]{0,3}(total|sum|count)?", "(s|ms|1|By|%|\\{x\\}|[a-z/{} ]{0,4})", any::<String>(), data()), 0..6),
        resource in attributes(),
        created in any::<bool>(),
    ) {
        let mut all = MetricsSnapshot::new(1, 2);
        for (name, unit, description, data) in metrics {
            let _duplicate = all.push(Metric::new(name, unit, data).with_description(description));
        }
        for format in FORMATS {
            let encoder = TextEncoder::new(format)
                .with_scope("s\"", "1")
                .with_resource(&resource)
                .with_created(created);
            parse(&encoder.encode(&all), format == TextFormat::OpenMetrics);
        }
    }
}

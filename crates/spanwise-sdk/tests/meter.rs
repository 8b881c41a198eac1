//! The metrics of a provider through the OpenTelemetry API, read by the stock SDK.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    Histogram, HistogramBuilder, InstrumentProvider, Meter, MeterProvider as _, SyncInstrument,
};
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Metric as Collected, MetricData as Data,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use spanwise_metrics::{HistogramPoint, Metric, MetricData, NumberPoint};
use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::SpanKind;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

struct Stock {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

impl Stock {
    fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).with_interval(support::LONG * 60);
        let provider = SdkMeterProvider::builder().with_reader(reader.build()).build();
        Self { provider, exporter }
    }

    /// The metrics of one collection, in the scope of the test's meter.
    fn collect(&self) -> Vec<Found> {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let all = self.exporter.get_finished_metrics().unwrap();
        let scopes = all.iter().flat_map(|it| it.scope_metrics());
        scopes.flat_map(|it| it.metrics()).map(Found::new).collect()
    }
}

/// A metric as the stock SDK has it.
struct Found {
    name: String,
    unit: String,
    description: String,
    kind: &'static str,
    points: Points,
}

impl Found {
    fn new(metric: &Collected) -> Self {
        let (kind, points) = collected(metric);
        let [name, unit, description] =
            [metric.name(), metric.unit(), metric.description()].map(str::to_owned);
        Self { name, unit, description, kind, points }
    }

    fn values(&self) -> Vec<&str> {
        self.points.values().map(String::as_str).collect()
    }
}

fn find<'f>(found: &'f [Found], name: &str) -> &'f Found {
    let named = found.iter().find(|it| it.name == name);
    assert!(named.is_some(), "{name} is missing");
    named.unwrap()
}

/// Values by the attributes of their points.
type Points = BTreeMap<Vec<String>, String>;

fn key<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Vec<String> {
    let mut all: Vec<_> = attributes.map(|it| format!("{}={}", it.key, it.value)).collect();
    all.sort();
    all
}

fn expected(points: &[NumberPoint]) -> Points {
    let point = |it: &NumberPoint| {
        let pairs = it.attributes.iter().map(|it| {
            KeyValue::new(it.key.to_string(), opentelemetry::Value::from(it.value.clone()))
        });
        (key(pairs.collect::<Vec<_>>().iter()), it.value.to_string())
    };
    points.iter().map(point).collect()
}

/// The kind of the instrument, and its points.
fn collected(metric: &Collected) -> (&'static str, Points) {
    fn points<T: Copy + ToString>(data: &Data<T>) -> (&'static str, Points) {
        match data {
            Data::Sum(sum) => {
                let kind = if sum.is_monotonic() { "counter" } else { "up-down counter" };
                let point = |it: (Vec<String>, T)| (it.0, it.1.to_string());
                let all = sum.data_points().map(|it| (key(it.attributes()), it.value()));
                (kind, all.map(point).collect())
            }
            Data::Gauge(gauge) => {
                let all = gauge.data_points();
                ("gauge", all.map(|it| (key(it.attributes()), it.value().to_string())).collect())
            }
            Data::Histogram(histogram) => {
                let all = histogram.data_points();
                let shown = |count: u64, bounds: usize| format!("{count} with {bounds} bounds");
                let all =
                    all.map(|it| (key(it.attributes()), shown(it.count(), it.bounds().count())));
                ("histogram", all.collect())
            }
            Data::ExponentialHistogram(_) => ("exponential histogram", Points::new()),
        }
    }
    match metric.data() {
        AggregatedMetrics::F64(data) => points(data),
        AggregatedMetrics::U64(data) => points(data),
        AggregatedMetrics::I64(data) => points(data),
    }
}

fn kind(metric: &Metric) -> &'static str {
    match metric.data {
        MetricData::Counter(_) => "counter",
        MetricData::UpDownCounter(_) => "up-down counter",
        MetricData::Gauge(_) => "gauge",
        _ => "histogram",
    }
}

#[test]
fn a_meter_observes_what_the_snapshot_has() {
    let bench = support::bench(|it| it);
    let stock = Stock::new();
    bench.spanwise.register_metrics(&stock.provider.meter("spanwise"));
    for _ in 0..5 {
        bench.spanwise.tracer("t").root("r", SpanKind::Internal).finish();
    }
    let late = bench.spanwise.tracer("t").root("r", SpanKind::Internal);
    bench.spanwise.shutdown_timeout(support::LONG).unwrap();
    late.finish();
    let snapshot = bench.spanwise.metrics();
    let found = stock.collect();
    let mut compared = 0;
    for metric in snapshot.metrics() {
        let Some(points) = metric.data.numbers().filter(|points| !points.is_empty()) else {
            continue;
        };
        let (ours, expected) = (find(&found, &metric.name), expected(points));
        let texts = (&*ours.unit, &*ours.description, ours.kind);
        assert_eq!(texts, (&*metric.unit, &*metric.description, kind(metric)), "{}", metric.name);
        match metric.data {
            // A present value may differ a moment later.
            MetricData::Gauge(_) => {
                assert!(ours.points.keys().eq(expected.keys()), "{}", ours.name)
            }
            _ => assert_eq!(ours.points, expected, "{}", metric.name),
        }
        compared += points.len();
    }
    assert!(compared >= 3, "{compared} points");
    assert_eq!(find(&found, "otel_spans_exported").values(), ["5"]);
}

/// Counts by attributes, of the snapshot.
fn histogram(metric: &Metric) -> Points {
    let MetricData::Histogram(points) = &metric.data else { return Points::new() };
    let point = |it: &HistogramPoint| {
        let pairs = it.attributes().iter().map(|it| {
            KeyValue::new(it.key.to_string(), opentelemetry::Value::from(it.value.clone()))
        });
        let key = key(pairs.collect::<Vec<_>>().iter());
        (key, format!("{} with {} bounds", it.count(), it.bounds().len()))
    };
    points.iter().map(point).collect()
}

#[test]
fn the_duration_of_each_request_goes_into_a_histogram_with_one_bucket() {
    const NAME: &str = "otel.sdk.exporter.operation.duration";
    let answers = Arc::new(AtomicU16::new(200));
    let status = answers.clone();
    let receiver = Receiver::builder().with_handler(move |_| match status.load(Relaxed) {
        200 => Answer::Accept,
        http_status => {
            let (message, retry_after) = (String::new(), None);
            Answer::Refuse { http_status, grpc_code: 3, message, retry_after }
        }
    });
    let receiver = receiver.start().unwrap();
    let spanwise = support::builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let stock = Stock::new();
    spanwise.register_metrics(&stock.provider.meter("spanwise"));
    for status in [200, 400, 200] {
        answers.store(status, Relaxed);
        spanwise.tracer("t").root("r", SpanKind::Internal).finish();
        spanwise.force_flush_timeout(support::LONG).unwrap();
    }
    spanwise.shutdown_timeout(support::LONG).unwrap();
    let expected = histogram(spanwise.metrics().get(NAME).unwrap());
    let found = stock.collect();
    let ours = find(&found, NAME);
    assert_eq!((ours.kind, &*ours.unit, &ours.points), ("histogram", "s", &expected));
    let text = format!("{expected:?}");
    for part in
        ["2 with 0 bounds", "1 with 0 bounds", "server.address=127.0.0.1", "error.type=rejected"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let export = find(&found, "otel_export_duration_seconds");
    assert!(export.values()[0].starts_with("3 with "), "{:?}", export.points);
}

/// A meter whose histograms panic.
struct Panicking;

impl InstrumentProvider for Panicking {
    fn f64_histogram(&self, _: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        Histogram::new(Arc::new(Panicking))
    }
}

impl SyncInstrument<f64> for Panicking {
    fn measure(&self, _: f64, _: &[KeyValue]) {
        panic!("on purpose");
    }
}

#[test]
fn a_histogram_that_panics_costs_no_span() {
    let bench = support::bench(|it| it);
    bench.spanwise.register_metrics(&Meter::new(Arc::new(Panicking)));
    let stock = Stock::new();
    bench.spanwise.register_metrics(&stock.provider.meter("spanwise"));
    bench.spanwise.tracer("t").root("r", SpanKind::Internal).finish();
    bench.finish();
    let found = stock.collect();
    let export = find(&found, "otel_export_duration_seconds");
    assert!(
        export.values()[0].starts_with("1 with "),
        "the next meter has it: {:?}",
        export.points
    );
}

#[test]
fn each_collection_has_new_values() {
    let bench = support::bench(|it| it);
    let stock = Stock::new();
    bench.spanwise.register_metrics(&stock.provider.meter("spanwise"));
    for expected in ["1", "2", "3"] {
        bench.spanwise.tracer("t").root("r", SpanKind::Internal).finish();
        assert_eq!(find(&stock.collect(), "otel_spans_created").values(), [expected]);
    }
}

#[test]
fn instruments_do_not_hold_their_provider() {
    let bench = support::bench(|it| it);
    let stock = Stock::new();
    bench.spanwise.register_metrics(&stock.provider.meter("spanwise"));
    bench.spanwise.tracer("t").root("r", SpanKind::Internal).finish();
    assert!(!stock.collect().is_empty());
    drop(bench.spanwise);
    // The drop has started a shutdown, which exports the span.
    assert!(bench.collected.wait_for_spans(1, support::LONG));
    // A histogram has what was recorded.
    let found = stock.collect();
    let observed: Vec<_> =
        found.iter().filter(|it| it.kind != "histogram").map(|it| &it.name).collect();
    assert!(observed.is_empty(), "{observed:?}");
}

//! Metrics of all spans: each span that ends counts, sampled or not, for its name, kind, status and attributes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod counted;
mod limits;
mod not_counted;
mod settings;
#[path = "../support/mod.rs"]
mod support;

use proptest::prelude::*;
use spanwise_metrics::{Attribute, Exemplar, HistogramPoint, MetricData, OwnedValue};
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{
    Bytes, Exporter, Outcome, SpanKind, SpanMetrics, SpanMetricsBuilder, Spanwise, SpanwiseBuilder,
};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder, Status, Tracer as _};

/// Spans by key: `name|kind|status|values`, or `overflow`.
type Counts = BTreeMap<String, u64>;

fn by_name() -> SpanMetricsBuilder {
    SpanMetrics::builder().with_status_code(false)
}

/// A provider with these metrics, whose requests go nowhere.
fn provider(
    metrics: SpanMetricsBuilder,
    configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder,
) -> Spanwise {
    let sink = |_: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
    let builder = support::builder().with_sink(sink).with_span_metrics(metrics.build().unwrap());
    configure(builder).build().unwrap()
}

fn calls(spanwise: &Spanwise) -> Counts {
    let snapshot = spanwise.metrics();
    let metric = snapshot.get("traces.span.metrics.calls").unwrap();
    let MetricData::Counter(points) = &metric.data else { panic!("{metric:?}") };
    let calls: Counts =
        points.iter().map(|point| (key(&point.attributes), point.value.as_f64() as u64)).collect();
    assert_eq!(calls.len(), points.len(), "each attribute set once");
    let counts = durations(spanwise).into_iter().map(|(key, point)| (key, point.count()));
    assert_eq!(counts.collect::<Counts>(), calls);
    calls
}

fn durations(spanwise: &Spanwise) -> BTreeMap<String, HistogramPoint> {
    let snapshot = spanwise.metrics();
    let metric = snapshot.get("traces.span.metrics.duration").unwrap();
    let MetricData::Histogram(points) = &metric.data else { panic!("{metric:?}") };
    points.iter().map(|point| (key(point.attributes()), point.clone())).collect()
}

fn exemplars(spanwise: &Spanwise) -> Vec<Exemplar> {
    durations(spanwise).values().flat_map(|point| point.exemplars().to_vec()).collect()
}

fn key(attributes: &[Attribute]) -> String {
    let [first, ..] = attributes else { panic!("no attributes") };
    if &*first.key == "otel.metric.overflow" {
        assert_eq!((attributes.len(), &first.value), (1, &OwnedValue::Bool(true)));
        return "overflow".to_owned();
    }
    let value = |attribute: &Attribute| match &attribute.value {
        OwnedValue::Str(text) => text.to_string(),
        OwnedValue::I64(number) => number.to_string(),
        OwnedValue::Bool(value) => value.to_string(),
        OwnedValue::F64(number) => format!("{number:?}"),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(value).collect::<Vec<_>>().join("|")
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> Counts {
    counts.into_iter().map(|(key, count)| (key.to_owned(), count)).collect()
}

/// A span of the model.
#[derive(Debug, Clone)]
struct Planned {
    name: u8,
    kind: SpanKind,
    status: u8,
    route: Option<u8>,
    nanos: u64,
    way: Way,
}

/// How the span is made.
#[derive(Debug, Clone, Copy)]
enum Way {
    Native,
    Api,
    Builder,
    Pooled,
}

fn planned() -> impl Strategy<Value = Planned> {
    let kinds = [SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer];
    let ways = [Way::Native, Way::Api, Way::Builder, Way::Pooled];
    (0..4_u8, 0..4_usize, 0..3_u8, proptest::option::of(0..3_u8), 0..30_000_000_u64, 0..4_usize)
        .prop_map(move |(name, kind, status, route, nanos, way)| Planned {
            name,
            kind: kinds[kind],
            status,
            route,
            nanos,
            way: ways[way],
        })
}

impl Planned {
    fn name(&self) -> &'static str {
        ["GET", "SELECT", "publish", ""][usize::from(self.name)]
    }

    fn make(&self, spanwise: &Spanwise) {
        let tracer = spanwise.tracer("model");
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let end = start + Duration::from_nanos(self.nanos);
        let route = self.route.map(i64::from);
        let status = match self.status {
            0 => Status::Unset,
            1 => Status::Ok,
            _ => Status::error("broken"),
        };
        match self.way {
            Way::Native => {
                let mut span = tracer.root(self.name(), self.kind);
                span.attribute("route", route);
                match self.status {
                    0 => {}
                    1 => drop(span.ok()),
                    _ => drop(span.error("broken")),
                }
                span.finish();
            }
            Way::Api | Way::Builder => {
                let builder = SpanBuilder::from_name(self.name())
                    .with_kind(self.kind.into())
                    .with_start_time(start);
                let attribute = route.map(|route| KeyValue::new("route", route));
                let mut span = match self.way {
                    Way::Builder => builder.with_attributes(attribute).start(&tracer),
                    _ => {
                        let mut span = builder.start(&tracer);
                        span.set_attributes(attribute);
                        span
                    }
                };
                span.set_status(status);
                span.end_with_timestamp(end);
            }
            Way::Pooled => {
                let mut span = spanwise_pool::PooledSpan::with_capacity(4, 1, 1);
                tracer.start_pooled(&mut span, self.name(), self.kind, None);
                (span.start_unix_nanos, span.end_unix_nanos) = (1_000, 1_000 + self.nanos);
                if let Some(route) = route {
                    span.set_attribute("route", route);
                }
                span.status = [0, 1, 2].map(status_code)[usize::from(self.status)];
                let _finished = tracer.finish_pooled(&span).unwrap();
            }
        }
    }

    fn key(&self, with_status: bool, with_route: bool) -> String {
        let kind = match self.kind {
            SpanKind::Server => "SPAN_KIND_SERVER",
            SpanKind::Client => "SPAN_KIND_CLIENT",
            SpanKind::Producer => "SPAN_KIND_PRODUCER",
            _ => "SPAN_KIND_INTERNAL",
        };
        let status = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];
        let status = with_status.then(|| status[usize::from(self.status)].to_owned());
        let route = self.route.filter(|_| with_route).map(|route| route.to_string());
        let parts = [Some(self.name().to_owned()), Some(kind.to_owned()), status, route];
        parts.into_iter().flatten().collect::<Vec<_>>().join("|")
    }
}

fn status_code(number: u8) -> spanwise_sdk::StatusCode {
    use spanwise_sdk::StatusCode::{Error, Ok, Unset};
    [Unset, Ok, Error][usize::from(number)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Counts and histograms of each key equal those of the model, by any sampler and on several threads.
    #[test]
    fn every_span_counts_for_its_key(
        spans in proptest::collection::vec(planned(), 1..120),
        sampler in 0..4_usize,
        threads in 1..4_usize,
        is_exported in any::<bool>(),
        with_status in any::<bool>(),
        with_route in any::<bool>(),
    ) {
        let sampler = [
            Sampler::always_on(),
            Sampler::always_off(),
            Sampler::probability(0.5).unwrap(),
            Sampler::probability(0.1).unwrap().parent_based(),
        ][sampler].clone();
        let metrics = SpanMetrics::builder().with_status_code(with_status);
        let metrics = if with_route { metrics.with_dimension("route") } else { metrics };
        let bounds = [1, 5, 10, 20].map(Duration::from_millis);
        let spanwise = provider(metrics.with_explicit_buckets(bounds), |builder| {
            let exporter = if is_exported { Exporter::Otlp } else { Exporter::None };
            builder.with_sampler(sampler).with_exporter(exporter)
        });
        thread::scope(|scope| {
            for part in spans.chunks(spans.len().div_ceil(threads)) {
                let spanwise = &spanwise;
                scope.spawn(move || part.iter().for_each(|span| span.make(spanwise)));
            }
        });
        let mut model: BTreeMap<String, (Vec<u64>, f64)> = BTreeMap::new();
        let mut expected = Counts::new();
        let mut is_timed: BTreeMap<String, bool> = BTreeMap::new();
        for span in &spans {
            let key = span.key(with_status, with_route);
            *expected.entry(key.clone()).or_default() += 1;
            // The clock times a native span.
            *is_timed.entry(key.clone()).or_insert(true) &= !matches!(span.way, Way::Native);
            let (buckets, sum) = model.entry(key).or_insert_with(|| (vec![0; 5], 0.0));
            let bucket = bounds.iter().filter(|bound| bound.as_nanos() < u128::from(span.nanos)).count();
            buckets[bucket] += 1;
            *sum += span.nanos as f64 / 1e6;
        }
        prop_assert_eq!(calls(&spanwise), expected);
        for (key, point) in durations(&spanwise) {
            if is_timed[&key] {
                let (buckets, sum) = &model[&key];
                prop_assert_eq!(point.bucket_counts(), buckets.as_slice(), "{}", key);
                prop_assert!((point.sum() - sum).abs() < 1e-6, "{} {}", point.sum(), sum);
            }
        }
        let report = spanwise.shutdown().unwrap();
        report.ledger.check().unwrap();
        prop_assert_eq!(report.ledger.created, if is_exported { spans.len() as u64 } else { 0 });
    }
}

//! Settings out of their range are errors that name them.

use super::*;
use spanwise_metrics::Metric;
use spanwise_sdk::DurationUnit;

fn error(builder: SpanMetricsBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn errors_name_the_setting_the_value_and_what_is_accepted() {
    let builder = SpanMetrics::builder;
    let check = |builder: SpanMetricsBuilder, expected: &str| assert_eq!(error(builder), expected);
    check(
        builder().with_cardinality_limit(0),
        "with_cardinality_limit=`0`: accepted is 1 to 1999 attribute sets",
    );
    check(
        builder().with_cardinality_limit(2_000),
        "with_cardinality_limit=`2000`: accepted is 1 to 1999 attribute sets",
    );
    check(
        builder().with_exponential_buckets(6),
        "with_exponential_buckets=`6`: accepted is a scale of 0 to 5",
    );
    let millis = Duration::from_millis;
    check(
        builder().with_explicit_buckets([]),
        "with_explicit_buckets=`no bound`: accepted is 1 to 64 bounds",
    );
    check(
        builder().with_explicit_buckets((0..).map(millis)),
        "with_explicit_buckets=`more than 64 bounds`: accepted is 1 to 64 bounds",
    );
    check(
        builder().with_explicit_buckets([2, 2].map(millis)),
        "with_explicit_buckets=`[2ms, 2ms]`: accepted is bounds in ascending order",
    );
    check(
        builder().with_explicit_buckets([Duration::MAX]),
        "with_explicit_buckets=`18446744073709551615.999999999s`: accepted is bounds up to 31536000s",
    );
    let four = ["a", "b", "c", "d"].into_iter();
    check(
        four.fold(builder(), SpanMetricsBuilder::with_dimension),
        "with_dimension=`a,b,c,d`: accepted is at most 3 dimensions",
    );
    for key in ["", "span.name", "service.name"] {
        let text = error(builder().with_dimension(key));
        assert!(text.starts_with(&format!("with_dimension=`{key}`: accepted is a key")), "{text}");
    }
    assert!(error(builder().with_dimension("a").with_dimension("a")).contains("each once"));
    for namespace in ["1a", "a b", "ä", "_x", &"x".repeat(201)] {
        let text = error(builder().with_namespace(namespace));
        assert!(text.starts_with(&format!("with_namespace=`{namespace}`")), "{text}");
    }
}

#[test]
fn names_units_and_buckets_follow_the_settings() {
    let of = |builder: SpanMetricsBuilder, name: &str| -> Metric {
        let spanwise = provider(builder, |builder| builder.with_sampling_ratio(0.5));
        spanwise.tracer("t").root("x", SpanKind::Server).finish();
        spanwise.metrics().get(name).unwrap().clone()
    };
    let metric = of(SpanMetrics::builder(), "traces.span.metrics.duration");
    let MetricData::Histogram(points) = &metric.data else { panic!("{metric:?}") };
    assert_eq!((&*metric.unit, points[0].bounds().len()), ("ms", 16));
    assert_eq!(points[0].bounds()[..2], [2.0, 4.0]);
    let seconds = SpanMetrics::builder().with_unit(DurationUnit::Seconds).with_namespace("");
    let metric = of(seconds, "duration");
    let MetricData::Histogram(points) = &metric.data else { panic!("{metric:?}") };
    assert_eq!((&*metric.unit, points[0].bounds()[0]), ("s", 0.002));
    let exponential = SpanMetrics::builder().with_exponential_buckets(3).with_namespace("shop");
    let metric = of(exponential, "shop.duration");
    let MetricData::ExponentialHistogram(points) = &metric.data else { panic!("{metric:?}") };
    assert_eq!((points[0].count(), points[0].zero_threshold), (1, 0.001));
}

/// The stock SDK's spans do not pass through the provider's tracers; `spanwise` explains its own.
#[test]
fn the_settings_are_explained() {
    let metrics = SpanMetrics::builder().with_dimension("http.route").build().unwrap();
    let explanation = support::builder().with_span_metrics(metrics).explain().unwrap();
    let text = format!("{explanation}");
    let expected = "traces.span.metrics.* by span.name, span.kind, status.code, http.route, at most 1000 attribute sets";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_budget_without_space_for_spans_is_an_error() {
    let builder = support::builder().with_span_metrics(SpanMetrics::default());
    let error = builder.with_budget_bytes(1 << 20).build().unwrap_err().to_string();
    assert!(error.starts_with("with_budget_bytes=`1048576`: accepted is at least"), "{error}");
}

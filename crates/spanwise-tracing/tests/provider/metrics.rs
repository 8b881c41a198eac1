//! Metrics of all spans count those of `tracing` by their final name and kind, sampled or not.

use crate::harness::{LONG, assert_balanced, builder, within};
use spanwise_metrics::{Attribute, MetricData, OwnedValue};
use spanwise_redact::{Redactor, Rule};
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{
    Bytes, LocalTrace, OnFull, Outcome, SpanMetrics, SpanMetricsBuilder, SpanProcessor, Spanwise,
    SpanwiseBuilder,
};
use std::collections::BTreeMap;
use tracing::field::Empty;
use tracing::info_span;

/// The calls by the values of their attributes.
fn calls(spanwise: &Spanwise) -> BTreeMap<String, u64> {
    let snapshot = spanwise.metrics();
    let metric = snapshot.get("traces.span.metrics.calls").unwrap();
    let MetricData::Counter(points) = &metric.data else { panic!("{metric:?}") };
    let value = |attribute: &Attribute| match &attribute.value {
        OwnedValue::Str(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    let key = |attributes: &[Attribute]| attributes.iter().map(value).collect::<Vec<_>>().join("|");
    points.iter().map(|point| (key(&point.attributes), point.value.as_f64() as u64)).collect()
}

/// Spans whose name, kind, status and route are fields of the start, or recorded later.
fn make_spans() {
    info_span!("plain").in_scope(|| {});
    info_span!("early", otel.kind = "server", otel.name = "named", http.route = "/a").in_scope(
        || {
            tracing::error!("an error");
        },
    );
    let late = info_span!("late", otel.kind = Empty, otel.name = Empty, http.route = Empty);
    late.in_scope(|| {
        late.record("otel.kind", "client").record("otel.name", "secret-7 later");
        late.record("http.route", "/b").record("ignored", 1);
    });
    // It is never entered.
    drop(info_span!("idle", otel.kind = "consumer"));
}

fn expected(by_name: bool) -> BTreeMap<String, u64> {
    let keys: [&str; 4] = match by_name {
        true => [
            "plain|SPAN_KIND_INTERNAL",
            "named|SPAN_KIND_SERVER",
            "**** later|SPAN_KIND_CLIENT",
            "idle|SPAN_KIND_CONSUMER",
        ],
        false => [
            "plain|SPAN_KIND_INTERNAL|STATUS_CODE_UNSET",
            "named|SPAN_KIND_SERVER|STATUS_CODE_ERROR|/a",
            "**** later|SPAN_KIND_CLIENT|STATUS_CODE_UNSET|/b",
            "idle|SPAN_KIND_CONSUMER|STATUS_CODE_UNSET",
        ],
    };
    keys.map(|key| (key.to_owned(), 3)).into()
}

fn check(configure: impl Fn(SpanwiseBuilder) -> SpanwiseBuilder) {
    let by_name: fn() -> SpanMetricsBuilder = || SpanMetrics::builder().with_status_code(false);
    let by_status: fn() -> SpanMetricsBuilder =
        || SpanMetrics::builder().with_dimension("http.route");
    for (metrics, is_by_name) in [(by_name, true), (by_status, false)] {
        for sampler in [Sampler::always_on(), Sampler::always_off()] {
            for redacts in [false, true] {
                let sink = |_: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
                let builder = builder()
                    .with_sink(sink)
                    .with_sampler(sampler.clone())
                    .with_span_metrics(metrics().build().unwrap());
                let builder = match redacts {
                    true => builder.with_redaction(
                        Redactor::builder()
                            .with_rule(Rule::mask_values("secret-[0-9]+"))
                            .build()
                            .unwrap(),
                    ),
                    false => builder,
                };
                let spanwise = configure(builder).build().unwrap();
                within(&spanwise, || (0..3).for_each(|_| make_spans()));
                let calls: BTreeMap<String, u64> = calls(&spanwise)
                    .into_iter()
                    .map(|(key, count)| match redacts {
                        true => (key.replace("[redacted]", "****"), count),
                        false => (key.replace("secret-7", "****"), count),
                    })
                    .collect();
                assert_eq!(calls, expected(is_by_name), "{sampler:?}, redacts {redacts}");
                let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
                assert_balanced(&ledger);
                assert_eq!(ledger.created, 12, "{ledger}");
            }
        }
    }
}

#[test]
fn metrics_alone() {
    check(|builder| builder);
}

#[test]
fn metrics_beside_tail_sampling() {
    check(|builder| builder.with_tail_sampling(|_: &LocalTrace<'_>| true));
}

#[test]
fn metrics_beside_shedding() {
    check(|builder| builder.with_on_full(OnFull::ShedByTrace));
}

#[test]
fn metrics_beside_processors() {
    struct Nothing;
    impl SpanProcessor for Nothing {}
    check(|builder| builder.with_span_processor(Nothing));
}

//! Many names, long names, and attribute sets beyond the limit.

use super::support::DiagnosticLog;
use super::*;
use spanwise_metrics::{TextEncoder, TextFormat, encode_request};

#[test]
fn attribute_sets_beyond_the_limit_count_for_one() {
    let metrics = by_name().with_cardinality_limit(3);
    let spanwise = provider(metrics, |builder| builder.with_sampling_ratio(0.5));
    let tracer = spanwise.tracer("t");
    for round in 1..=2 {
        for name in ["a", "b", "c", "d", "e"] {
            tracer.root(name, SpanKind::Server).finish();
        }
        let of = |name: &str| (format!("{name}|SPAN_KIND_SERVER"), round);
        let expected = [of("a"), of("b"), of("c"), ("overflow".to_owned(), 2 * round)];
        assert_eq!(calls(&spanwise), expected.into());
    }
}

/// A name of 1 MiB, control characters, and a name for each request.
#[test]
fn hostile_names_are_bounded() {
    for sampler in [Sampler::always_on(), Sampler::always_off()] {
        for metrics in [by_name(), SpanMetrics::builder().with_dimension("k")] {
            let spanwise = provider(metrics, |builder| builder.with_sampler(sampler.clone()));
            let tracer = spanwise.tracer("t");
            let long = "ä".repeat(1 << 19);
            for name in [long.as_str(), "\0\n\r\"\\{}\u{202e}", ""] {
                let mut span = tracer.root(name, SpanKind::Server);
                span.attribute("k", name);
                span.finish();
            }
            for number in 0..20_000 {
                tracer.root(&format!("GET /orders/{number}"), SpanKind::Server).finish();
            }
            let calls = calls(&spanwise);
            assert_eq!(calls.values().sum::<u64>(), 20_003);
            assert_eq!((calls.len(), calls["overflow"]), (1_001, 20_003 - 1_000));
            assert!(calls.keys().all(|key| key.len() < 256 + 128 + 60));
            assert!(calls.keys().any(|key| key.starts_with(&"ä".repeat(128))));
            let snapshot = spanwise.metrics();
            let text = TextEncoder::new(TextFormat::Prometheus).encode(&snapshot);
            assert!(text.contains("span_name=\"\0\\n"));
            assert!(!encode_request(&snapshot, &[], &[]).is_empty());
        }
    }
}

#[test]
fn metrics_leave_by_prometheus_and_otlp() {
    let metrics = SpanMetrics::builder().with_dimension("http.response.status_code");
    let spanwise = provider(metrics, |builder| builder);
    let mut span = spanwise.tracer("t").root("GET", SpanKind::Server);
    span.attribute("http.response.status_code", 503).error("unavailable");
    span.finish();
    let snapshot = spanwise.metrics();
    let text = TextEncoder::new(TextFormat::Prometheus).encode(&snapshot);
    let labels = "http_response_status_code=\"503\",span_kind=\"SPAN_KIND_SERVER\",span_name=\"GET\",\
                  status_code=\"STATUS_CODE_ERROR\"";
    for line in [
        format!("traces_span_metrics_calls_total{{{labels}}} 1\n"),
        format!("traces_span_metrics_duration_milliseconds_bucket{{{labels},le=\"15000\"}} 1\n"),
        format!("traces_span_metrics_duration_milliseconds_count{{{labels}}} 1\n"),
    ] {
        assert!(text.contains(&line), "{line}{text}");
    }
}

/// The memory of the attribute sets is a part of the budget; what does not fit is reported.
#[test]
fn a_small_budget_has_fewer_attribute_sets() {
    let log = DiagnosticLog::default();
    let metrics = SpanMetrics::builder().with_cardinality_limit(1_999).with_exponential_buckets(5);
    let spanwise = provider(metrics, |builder| log.attach(builder.with_budget_bytes(2 << 20)));
    let tracer = spanwise.tracer("t");
    for number in 0..2_000 {
        tracer.root(&number.to_string(), SpanKind::Server).finish();
    }
    let snapshot = spanwise.metrics();
    let points = snapshot.get("traces.span.metrics.calls").unwrap().data.len() - 1;
    assert!((40..300).contains(&points), "{points}");
    let lines = log.lines();
    let problem = format!("{points} attribute sets fit in a quarter of the budget");
    assert!(lines.iter().any(|line| line.contains(&problem)), "{lines:?}");
    spanwise.shutdown().unwrap();
}

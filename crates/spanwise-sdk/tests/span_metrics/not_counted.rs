//! Spans that do not count: after a shutdown, in a forked child, suppressed, or of a disabled tracer.

use super::*;
use opentelemetry::Context;
use spanwise_pool::PooledSpan;
use spanwise_sdk::TracerConfig;

fn modes() -> [SpanMetricsBuilder; 2] {
    [by_name(), SpanMetrics::builder()]
}

fn total(spanwise: &Spanwise) -> u64 {
    calls(spanwise).values().sum()
}

fn finish_pooled(spanwise: &Spanwise) {
    let tracer = spanwise.tracer("t");
    let mut pooled = PooledSpan::with_capacity(1, 1, 1);
    tracer.start_pooled(&mut pooled, "x", SpanKind::Server, None);
    let _no_id = tracer.finish_pooled(&pooled);
}

#[test]
fn spans_that_start_after_the_shutdown_do_not_count() {
    for metrics in modes() {
        for exporter in [Exporter::Otlp, Exporter::None] {
            for sampler in [Sampler::always_on(), Sampler::always_off()] {
                let spanwise = provider(metrics.clone(), |builder| {
                    builder.with_exporter(exporter).with_sampler(sampler)
                });
                let tracer = spanwise.tracer("t");
                let open = tracer.root("x", SpanKind::Server);
                spanwise.shutdown().unwrap();
                assert!(!tracer.root("x", SpanKind::Server).is_recording());
                finish_pooled(&spanwise);
                assert_eq!(total(&spanwise), 0);
                // It started before.
                open.finish();
                assert_eq!(total(&spanwise), 1);
            }
        }
    }
}

#[test]
fn suppressed_spans_do_not_count() {
    for metrics in modes() {
        let spanwise = provider(metrics, |builder| builder.with_sampling_ratio(0.5));
        {
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            spanwise.tracer("t").root("x", SpanKind::Server).finish();
            drop(spanwise.tracer("t").start("x"));
            finish_pooled(&spanwise);
        }
        assert_eq!(total(&spanwise), 0);
        finish_pooled(&spanwise);
        assert_eq!(total(&spanwise), 1);
    }
}

#[test]
fn spans_of_a_disabled_tracer_or_sdk_do_not_count() {
    for metrics in modes() {
        let spanwise = provider(metrics.clone(), |builder| {
            builder.with_tracer_configurator(|scope| match scope.name() {
                "noisy" => TracerConfig::DISABLED,
                _ => TracerConfig::ENABLED,
            })
        });
        spanwise.tracer("noisy").root("x", SpanKind::Server).finish();
        assert_eq!(total(&spanwise), 0);
        let spanwise = provider(metrics, |builder| {
            builder.with_environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".into()))
        });
        spanwise.tracer("t").root("x", SpanKind::Server).finish();
        assert!(spanwise.metrics().get("traces.span.metrics.calls").is_none());
    }
}

#[test]
fn the_span_of_the_doctor_does_not_count() {
    for metrics in modes() {
        let (receiver, _collected) = spanwise_receiver::Receiver::collecting().unwrap();
        let spanwise = support::builder()
            .with_endpoint(receiver.http_endpoint())
            .with_span_metrics(metrics.build().unwrap())
            .build()
            .unwrap();
        let _report = spanwise.doctor();
        assert_eq!(total(&spanwise), 0);
    }
}

/// The child has a copy of its parent's counts, adds none, and waits for no lock of another thread.
#[cfg(unix)]
#[test]
fn spans_of_a_forked_child_do_not_count() {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    spanwise_testkit::in_own_process("not_counted::spans_of_a_forked_child_do_not_count", || {
        for metrics in modes() {
            let spanwise = provider(metrics, |builder| builder.with_sampling_ratio(0.5));
            let tracer = spanwise.tracer("t");
            let ended = AtomicBool::new(false);
            thread::scope(|scope| {
                // A thread that adds attribute sets at the time of the forks.
                let adding = scope.spawn(|| {
                    for number in (0_u64..).take_while(|_| !ended.load(Relaxed)) {
                        tracer.root(&number.to_string(), SpanKind::Server).finish();
                    }
                });
                for _ in 0..5 {
                    let open = tracer.root("open", SpanKind::Client);
                    let output = spanwise_testkit::in_forked_child(|out| {
                        let before = total(&spanwise);
                        tracer.root("child", SpanKind::Client).finish();
                        finish_pooled(&spanwise);
                        let started = total(&spanwise) - before;
                        open.finish();
                        let ended = total(&spanwise) - before;
                        write!(out, "{started} {ended}").unwrap();
                    });
                    assert_eq!(String::from_utf8(output).unwrap(), "0 1");
                }
                ended.store(true, Relaxed);
                adding.join().unwrap();
            });
        }
    });
}

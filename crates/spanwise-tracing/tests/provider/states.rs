//! Providers that record nothing, or other things than before.

use crate::context::current;
use crate::harness::{LONG, assert_child, attribute, bench, builder, named, text, within};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry::{Context, InstrumentationScope, TraceFlags};
use spanwise_receiver::Receiver;
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{Exporter, SpanLimits, SpanMetrics, TracerConfig};
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt as _;

fn remote() -> SpanContext {
    SpanContext::new(7.into(), 9.into(), TraceFlags::SAMPLED, true, "a=b".parse().unwrap())
}

#[test]
fn a_disabled_sdk_passes_contexts_through() {
    let spanwise = builder()
        .with_environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()))
        .build()
        .unwrap();
    within(&spanwise, || {
        info_span!("root", a = 1).in_scope(|| {
            tracing::error!("event");
            assert!(!Context::current().has_active_span());
        });
        let _attached = Context::new().with_remote_span_context(remote()).attach();
        info_span!("child").in_scope(|| {
            info_span!("below").in_scope(|| assert_eq!(current(), remote()));
        });
    });
    assert_eq!(spanwise.ledger().created, 0);
}

#[test]
fn without_an_exporter_spans_have_ids_for_logs_and_for_propagation() {
    for sampler in [Sampler::always_on(), Sampler::always_off()] {
        let spanwise =
            builder().with_exporter(Exporter::None).with_sampler(sampler.clone()).build().unwrap();
        let is_on = format!("{sampler:?}").contains("On");
        within(&spanwise, || {
            info_span!("root").in_scope(|| {
                let root = current();
                assert!(root.is_valid(), "{sampler:?}");
                assert_eq!(root.is_sampled(), is_on);
                info_span!("child").in_scope(|| {
                    let child = current();
                    assert_eq!(child.trace_id(), root.trace_id());
                    assert_ne!(child.span_id(), root.span_id());
                    assert_eq!(child.is_sampled(), is_on);
                });
                assert_eq!(current(), root);
            });
        });
        assert_eq!(spanwise.ledger().created, 0);
        spanwise.shutdown_timeout(LONG).unwrap();
    }
}

/// Also with metrics, which record spans that are not exported.
#[test]
fn a_disabled_tracer_makes_no_span() {
    for metrics in [false, true] {
        let bench = bench(|builder| {
            let builder = builder.with_tracer_configurator(|scope: &InstrumentationScope| {
                match scope.name() {
                    "tracing" => TracerConfig::DISABLED,
                    _ => TracerConfig::ENABLED,
                }
            });
            match metrics {
                true => builder.with_span_metrics(SpanMetrics::builder().build().unwrap()),
                false => builder,
            }
        });
        let shop =
            spanwise_tracing::layer(&bench.spanwise).with_tracer(bench.spanwise.tracer("shop"));
        bench.within(|| info_span!("disabled").in_scope(|| assert!(!current().is_valid())));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(shop), || {
            info_span!("outer").in_scope(|| {
                // The spans of the disabled tracer have the context of their parent.
                bench.within(|| {
                    let outer = current();
                    info_span!("disabled").in_scope(|| assert_eq!(current(), outer));
                });
                info_span!("inner").in_scope(|| {});
            });
        });
        let spans = bench.finish();
        assert_eq!(spans.len(), 2);
        assert_child(named(&spans, "inner"), named(&spans, "outer"));
    }
}

#[test]
fn a_reload_changes_the_limits_the_sampler_and_the_endpoint_of_the_layer() {
    let bench = bench(|builder| builder);
    let (receiver, collected) = Receiver::collecting().unwrap();
    bench.within(|| {
        let open = info_span!("open", a = 1, b = 2);
        open.in_scope(|| {});
        info_span!("before", a = 1, b = 2).in_scope(|| {});
        bench.spanwise.force_flush_timeout(LONG).unwrap();
        let next = builder()
            .with_endpoint(receiver.http_endpoint())
            .with_sampling_ratio(0.0)
            .with_span_limits(SpanLimits::default().with_attributes(1));
        bench.spanwise.reload(next).unwrap();
        info_span!("sampled out").in_scope(|| {});
        let _parent = Context::new().with_remote_span_context(remote()).attach();
        info_span!("after", a = 1, b = 2).in_scope(|| {});
        open.in_scope(|| {});
    });
    let ledger = bench.spanwise.shutdown_timeout(LONG).unwrap().ledger;
    crate::harness::assert_balanced(&ledger);
    assert_eq!((ledger.created, ledger.sampled_out, ledger.exported), (4, 1, 3), "{ledger}");
    let before = bench.received();
    assert_eq!((before.len(), named(&before, "before").attributes.len()), (1, 2));
    let bodies = collected.bodies();
    let requests: Vec<_> = bodies.iter().map(|body| spanwise_testkit::decode(body)).collect();
    let after: Vec<_> = requests.iter().flat_map(spanwise_testkit::spans).cloned().collect();
    assert_eq!((after.len(), named(&after, "after").attributes.len()), (2, 1));
    assert_eq!(named(&after, "open").attributes.len(), 2, "it started before");
}

#[test]
fn long_texts_are_cut_by_the_limit_of_the_time() {
    let limits = |bytes| SpanLimits::default().with_value_chars(bytes);
    let bench = bench(|builder| builder.with_span_limits(limits(5)));
    bench.within(|| {
        info_span!("short", a = "0123456789", b = ?"0123456789").in_scope(|| {});
        let next = builder().with_endpoint(bench.receiver.http_endpoint());
        bench.spanwise.reload(next.with_span_limits(limits(8))).unwrap();
        info_span!("longer", a = "0123456789", b = ?"0123456789").in_scope(|| {});
    });
    let spans = bench.finish();
    for (name, a, b) in [("short", "01234", "\"0123"), ("longer", "01234567", "\"0123456")] {
        let span = named(&spans, name);
        assert_eq!((attribute(span, "a"), attribute(span, "b")), (text(a), text(b)));
    }
}

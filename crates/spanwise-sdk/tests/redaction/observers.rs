//! Everything else that sees spans: processors, metrics, tail sampling, live views.

use crate::support::{bench, builder};
use crate::{CANARY, EMAIL, assert_clean, redacting, start};
use spanwise_metrics::{TextEncoder, TextFormat};
use spanwise_pool::PooledSpan;
use spanwise_sampling::Adaptive;
use spanwise_sdk::read::ResourceSpans;
use spanwise_sdk::{
    Counter, Exporter, LocalTrace, OwnedValue, ReadableSpan, SpanKind, SpanLimits, SpanMetrics,
    SpanProcessor,
};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The bytes and texts that a processor reads.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Vec<u8>>>>);

impl SpanProcessor for Seen {
    fn on_end(&self, span: &ReadableSpan<'_>) {
        let mut seen = self.0.lock().unwrap();
        seen.push(span.to_vec());
        seen.push(format!("{span:?} {} {}", span.name(), span.status_message()).into_bytes());
        let scope = span.scope().unwrap();
        seen.push(format!("{:?}", scope.attributes().collect::<Vec<_>>()).into_bytes());
    }

    fn set_resource(&self, resource: &ResourceSpans<'_>) {
        let by = resource.attribute("deploy.by").unwrap();
        self.0.lock().unwrap().push(by.as_str().unwrap().as_bytes().to_vec());
    }
}

#[test]
fn processors_see_redacted_spans() {
    for exporter in [Exporter::Otlp, Exporter::None] {
        let seen = Seen::default();
        let accept = |_| async { spanwise_sdk::Outcome::Accepted { rejected: 0, message: None } };
        let spanwise = redacting(builder())
            .with_span_processor(seen.clone())
            .with_sink(accept)
            .with_exporter(exporter)
            .build()
            .unwrap();
        start(&spanwise).finish();
        spanwise.shutdown().unwrap();
        let seen = seen.0.lock().unwrap();
        // The resource, and of the span its bytes, its texts and its scope.
        assert_eq!(seen.len(), 4, "{exporter:?}");
        seen.iter().for_each(|bytes| assert_clean(bytes));
    }
}

/// Sampled or not, by name alone or with dimensions, of records and of pooled spans.
#[test]
fn metrics_of_spans_have_redacted_names_and_dimensions() {
    let by_name = SpanMetrics::builder().with_status_code(false).build().unwrap();
    let by_mail = SpanMetrics::builder().with_dimension("user.mail").build().unwrap();
    for (metrics, has_mail) in [(by_name, false), (by_mail, true)] {
        for ratio in [0.0, 1.0] {
            let bench = bench(|builder| {
                redacting(builder).with_span_metrics(metrics.clone()).with_sampling_ratio(ratio)
            });
            start(&bench.spanwise).finish();
            let tracer = bench.spanwise.tracer("shop");
            let mut span = tracer.root("", SpanKind::Internal);
            span.rename(&format!("load {CANARY}")).attribute("user.mail", EMAIL);
            span.finish();
            let mut pooled = PooledSpan::default();
            tracer.start_pooled(&mut pooled, &format!("load {CANARY}"), SpanKind::Internal, None);
            pooled.set_attribute("user.mail".to_owned(), OwnedValue::from(EMAIL));
            let _finished = tracer.finish_pooled(&pooled).unwrap();
            let text = TextEncoder::new(TextFormat::Prometheus).encode(&bench.spanwise.metrics());
            assert_clean(text.as_bytes());
            let spans: u64 = calls(&text, "load ****", has_mail);
            assert_eq!(spans, 3, "sampled {ratio}: {text}");
            bench.finish();
        }
    }
}

/// The spans that metrics count under a name, and under a masked address.
fn calls(text: &str, name: &str, has_mail: bool) -> u64 {
    let name = format!("span_name=\"{name}\"");
    let rows = text.lines().filter(|line| line.starts_with("traces_span_metrics_calls_total{"));
    let rows = rows.filter(|line| line.contains(&name));
    let rows = rows.filter(|line| line.contains("user_mail=\"****\"") == has_mail);
    rows.map(|row| row.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// The ledger has the dropped data of spans that the export queue gets, and of no others, as without rules.
#[test]
fn spans_that_metrics_alone_record_count_no_dropped_attributes() {
    for (ratio, dropped) in [(0.0, 0), (1.0, 1)] {
        let metrics = SpanMetrics::builder().with_dimension("user.mail").build().unwrap();
        let bench = bench(|builder| {
            let limits = SpanLimits::default().with_attributes(1);
            let builder = redacting(builder).with_span_limits(limits);
            builder.with_span_metrics(metrics).with_sampling_ratio(ratio)
        });
        let mut span = bench.spanwise.tracer("shop").root("GET", SpanKind::Server);
        span.attribute("user.mail", EMAIL).attribute("beyond", 1);
        span.finish();
        let ledger = bench.spanwise.ledger();
        assert_eq!(ledger.counter(Counter::DroppedAttributes), dropped, "ratio {ratio}");
        bench.finish();
    }
}

#[test]
fn tail_sampling_decides_about_redacted_spans() {
    let seen = Arc::new(Mutex::new(Vec::<u8>::new()));
    let bytes = seen.clone();
    let bench = bench(|builder| {
        redacting(builder).with_sampling_ratio(0.0).with_tail_sampling(
            move |trace: &LocalTrace<'_>| {
                for span in trace.spans() {
                    bytes.lock().unwrap().extend(span.view().unwrap().bytes());
                }
                true
            },
        )
    });
    start(&bench.spanwise).finish();
    let request = bench.finish();
    assert_eq!(spanwise_testkit::spans(&request).count(), 1);
    bench.collected.bodies().iter().for_each(|body| assert_clean(body));
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty());
    assert_clean(&seen);
}

/// The sampler decides by the names as they are, and its keys are theirs.
#[test]
fn a_live_view_has_no_secret_in_the_keys_of_an_adaptive_sampler() {
    let sampler = Adaptive::builder().with_traces_per_second(100.0).build().unwrap();
    let bench = bench(|builder| redacting(builder).with_sampler(sampler));
    let cut = format!("{} {EMAIL}", "x".repeat(40));
    let names = ["GET /orders", &format!("load {CANARY}"), &format!("to {EMAIL}"), &cut];
    let deadline = Instant::now() + Duration::from_secs(30);
    // A key has a rate once the sampler has read the clock twice.
    let mut rates = Vec::new();
    while rates.len() < names.len() && Instant::now() < deadline {
        for name in names {
            bench.spanwise.tracer("shop").root(name, SpanKind::Server).finish();
        }
        std::thread::sleep(Duration::from_millis(5));
        rates = bench.spanwise.live_view().snapshot().unwrap().sampler.rates;
    }
    let mut keys: Vec<_> = rates.iter().map(|rate| &*rate.key).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["****", "****", "****", "GET /orders"]);
    bench.finish();
}

#[test]
fn a_live_view_has_redacted_names() {
    let bench = bench(redacting);
    let view = bench.spanwise.live_view();
    view.watch_spans();
    start(&bench.spanwise).finish();
    bench.spanwise.force_flush().unwrap();
    let snapshot = view.snapshot().unwrap();
    assert_clean(format!("{snapshot:?}").as_bytes());
    let names: Vec<_> = snapshot.recent_spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["load ****"]);
    let redaction = snapshot.redaction.unwrap();
    let rules: Vec<_> = redaction.rules.iter().map(|it| (&*it.name, it.values)).collect();
    assert_eq!((rules, redaction.failures), (vec![("email", 5), ("canary", 6), ("headers", 1)], 0));
    bench.finish();
}

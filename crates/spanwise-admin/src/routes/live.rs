//! `/debug/spanwise.json`: the data of the page and of `spanwise top`. The crate's README documents its shape.

mod histograms;
mod named;
mod spans;

use crate::json::Json;
use crate::request::Request;
use crate::response::{JSON, Response};
use crate::route::{Route, Runs};
use crate::routes::metrics::ended;
use named::{histogram, sum};
use spanwise_metrics::MetricsSnapshot;
use spanwise_sdk::sampling::SamplingRate;
use spanwise_sdk::{
    LiveDestination, LiveDiagnostic, LiveRedaction, LiveSnapshot, LiveView, Snapshot,
};

pub(super) const ROUTES: &[Route<LiveView>] =
    &[Route { path: "/debug/spanwise.json", runs: Runs::Inline, is_page: false, answer: data }];

fn data(view: &LiveView, _request: &Request) -> Response {
    view.watch_spans();
    let (Some(live), Some(metrics)) = (view.snapshot(), view.metrics()) else { return ended() };
    Response::ok(JSON, document(&live, &metrics))
}

/// The document. Fields may be added; `schema` changes when one changes its meaning.
fn document(live: &LiveSnapshot, metrics: &MetricsSnapshot) -> String {
    let mut json = Json::new();
    json.object(|json| {
        json.key("schema").integer(SCHEMA);
        json.key("spanwise_version").string(env!("CARGO_PKG_VERSION"));
        json.key("service_name").string(&live.service_name);
        json.key("state").string(live.state);
        json.key("time_unix_seconds").number(metrics.time_unix_nanos() as f64 / 1e9);
        json.key("uptime_seconds").number(live.uptime.as_secs_f64());
        json.key("spans").object(|json| account(json, &live.ledger));
        json.key("counters").object(|json| {
            for (counter, count) in live.ledger.counters().filter(|(_, count)| *count > 0) {
                json.key(counter.name()).integer(count);
            }
        });
        json.key("queue").object(|json| numbers(json, metrics, &QUEUE));
        json.key("budget").object(|json| {
            json.key("limit_bytes").integer(live.budget.limit_bytes as u64);
            json.key("used_bytes").integer(live.budget.used_bytes as u64);
            json.key("peak_bytes").integer(live.budget.peak_bytes as u64);
        });
        json.key("spool");
        spool(json, metrics);
        json.key("cpu").object(|json| numbers(json, metrics, &CPU));
        json.key("exporter").object(|json| numbers(json, metrics, &EXPORTER));
        json.key("durations").object(|json| {
            for (key, name) in DURATIONS {
                json.key(key);
                histograms::write(json, histogram(metrics, name));
            }
        });
        json.key("sampler").object(|json| {
            json.key("description").string(&live.sampler.description);
            json.key("rates").array(|json| {
                live.sampler.rates.iter().take(MAX_KEYS).for_each(|it| rate(json, it))
            });
        });
        json.key("redaction");
        match &live.redaction {
            Some(counts) => redaction(json, counts),
            None => json.null(),
        }
        json.key("destinations")
            .array(|json| live.destinations.iter().for_each(|it| destination(json, it)));
        json.key("diagnostics")
            .array(|json| live.diagnostics.iter().for_each(|it| diagnostic(json, it)));
        json.key("recent_spans").object(|json| {
            json.key("spans").array(|json| spans::write(json, &live.recent_spans));
        });
    });
    json.finish()
}

fn numbers(json: &mut Json, metrics: &MetricsSnapshot, fields: &[(&str, &str)]) {
    for (key, name) in fields {
        json.key(key).number(sum(metrics, name));
    }
}

fn spool(json: &mut Json, metrics: &MetricsSnapshot) {
    match SPOOL.iter().any(|(_, name)| metrics.get(name).is_some()) {
        true => json.object(|json| numbers(json, metrics, &SPOOL)),
        false => json.null(),
    }
}

fn account(json: &mut Json, ledger: &Snapshot) {
    json.key("created").integer(ledger.created);
    json.key("recovered").integer(ledger.recovered);
    json.key("sampled_out").integer(ledger.sampled_out);
    json.key("exported").integer(ledger.exported);
    json.key("dropped").integer(ledger.dropped_total());
    json.key("spooled").integer(ledger.spooled);
    json.key("in_flight").integer(ledger.in_flight);
    json.key("tail_not_sampled").integer(ledger.tail_not_sampled);
    json.key("tail_dropped").integer(ledger.tail_dropped);
    json.key("dropped_by_reason").object(|json| {
        for (reason, spans) in ledger.drops().filter(|(_, spans)| *spans > 0) {
            json.key(reason.name()).integer(spans);
        }
    });
}

fn destination(json: &mut Json, destination: &LiveDestination) {
    json.object(|json| {
        json.key("name").string(&destination.name);
        json.key("endpoint").string(&destination.endpoint);
        json.key("exported").integer(destination.ledger.exported);
        json.key("dropped").integer(destination.ledger.dropped_total());
        json.key("in_flight").integer(destination.ledger.in_flight);
        json.key("last_failure");
        match &destination.last_failure {
            Some(failure) => json.string(failure),
            None => json.null(),
        }
    });
}

fn rate(json: &mut Json, rate: &SamplingRate) {
    json.object(|json| {
        json.key("key").string(&rate.key);
        json.key("probability").number(rate.probability);
        json.key("per_second").number(rate.per_second);
    });
}

fn redaction(json: &mut Json, redaction: &LiveRedaction) {
    json.object(|json| {
        json.key("failures").integer(redaction.failures);
        json.key("rules").array(|json| {
            for rule in &redaction.rules {
                json.object(|json| {
                    json.key("name").string(&rule.name);
                    json.key("values").integer(rule.values);
                });
            }
        });
    });
}

fn diagnostic(json: &mut Json, diagnostic: &LiveDiagnostic) {
    json.object(|json| {
        json.key("time_unix_seconds").number(diagnostic.unix_nanos as f64 / 1e9);
        json.key("level").string(diagnostic.level.name());
        json.key("message").string(&diagnostic.message);
    });
}

const SCHEMA: u64 = 1;
/// Keys of the sampler: a page shows the busiest.
const MAX_KEYS: usize = 64;

/// Fields of `queue`, each with the metric of which it has the sum.
const QUEUE: [(&str, &str); 4] = [
    ("used_bytes", "spanwise_queue_usage_bytes"),
    ("limit_bytes", "spanwise_queue_limit_bytes"),
    ("spans", "otel.sdk.processor.span.queue.size"),
    ("capacity_spans", "otel.sdk.processor.span.queue.capacity"),
];

/// Fields of `spool`: null without one.
const SPOOL: [(&str, &str); 2] =
    [("used_bytes", "spanwise_spool_usage_bytes"), ("limit_bytes", "spanwise_spool_limit_bytes")];

/// Fields of `cpu`.
const CPU: [(&str, &str); 2] = [
    ("sdk_percent", "otel_sdk_cpu_usage_percent"),
    ("exporter_percent", "otel_exporter_cpu_usage_percent"),
];

/// Fields of `exporter`.
const EXPORTER: [(&str, &str); 6] = [
    ("connections", "spanwise_exporter_connections"),
    ("inflight_spans", "otel.sdk.exporter.span.inflight"),
    ("requests", "spanwise_exporter_requests"),
    ("retries", "spanwise_exporter_retries"),
    ("uncompressed_bytes", "spanwise_exporter_uncompressed_bytes"),
    ("compressed_bytes", "spanwise_exporter_compressed_bytes"),
];

/// Fields of `durations` and their histograms.
const DURATIONS: [(&str, &str); 4] = [
    ("export", "otel_export_duration_seconds"),
    ("batch_processing", "otel_batch_processing_duration_seconds"),
    ("span_creation", "otel_span_creation_duration_seconds"),
    ("stall", "otel_sdk_stall_duration_seconds"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_metrics::{Metric, MetricData, NumberPoint};
    use spanwise_sdk::Spanwise;

    #[test]
    fn a_spool_has_its_bytes_and_no_spool_is_null() {
        let text = |metrics: &MetricsSnapshot| {
            let mut json = Json::new();
            json.object(|json| {
                json.key("spool");
                spool(json, metrics);
            });
            json.finish()
        };
        let mut metrics = MetricsSnapshot::new(1, 2);
        assert_eq!(text(&metrics), r#"{"spool":null}"#);
        for (name, bytes) in
            [("spanwise_spool_usage_bytes", 5_u64), ("spanwise_spool_limit_bytes", 8)]
        {
            let gauge = MetricData::Gauge(vec![NumberPoint::new(bytes)]);
            metrics.push(Metric::new(name, "By", gauge)).unwrap();
        }
        assert_eq!(text(&metrics), r#"{"spool":{"used_bytes":5,"limit_bytes":8}}"#);
    }

    /// A metric that has another name would be null on the page, for ever.
    #[test]
    fn the_provider_has_each_metric_of_the_document() {
        let builder = Spanwise::builder().with_environment(|_| None);
        let metrics = builder.build().unwrap().metrics();
        for (field, name) in [&QUEUE[..], &CPU, &EXPORTER, &DURATIONS].concat() {
            assert!(metrics.get(name).is_some(), "{field}: {name}");
        }
        for (field, name) in DURATIONS {
            assert!(histogram(&metrics, name).is_some(), "{field}: {name}");
        }
    }
}

//! Metrics as OTLP (`opentelemetry/proto/metrics/v1/metrics.proto`), without object trees.

mod points;

use spanwise_wire::write::{put_bytes, put_message};

use self::points::{Times, put_exponential, put_histogram, put_number};
use crate::model::{Metric, MetricData, MetricsSnapshot};

/// Encodes a snapshot as an OTLP `ExportMetricsServiceRequest`, with cumulative sums and histograms.
///
/// `resource` and `scope` are what [`encode_resource`](spanwise_wire::write::encode_resource) and
/// [`encode_scope`](spanwise_wire::write::encode_scope) return; without bytes, the request has neither. Metrics without points are left
/// out.
///
/// # Cost
/// One pass over the points; messages of 128 bytes and more are moved once for each level above them.
pub fn encode_request(snapshot: &MetricsSnapshot, resource: &[u8], scope: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_message(&mut out, RESOURCE_METRICS, |out| {
        out.extend_from_slice(resource);
        put_message(out, SCOPE_METRICS, |out| {
            out.extend_from_slice(scope);
            let metrics = snapshot.metrics().iter().filter(|metric| !metric.data.is_empty());
            for metric in metrics {
                put_message(out, METRIC, |out| put_metric(out, metric, snapshot));
            }
        });
    });
    out
}

fn put_metric(out: &mut Vec<u8>, metric: &Metric, snapshot: &MetricsSnapshot) {
    for (tag, text) in
        [(NAME, &metric.name), (DESCRIPTION, &metric.description), (UNIT, &metric.unit)]
    {
        if !text.is_empty() {
            put_bytes(out, tag, text.as_bytes());
        }
    }
    let times = Times { start: snapshot.start_unix_nanos(), end: snapshot.time_unix_nanos() };
    match &metric.data {
        MetricData::Counter(points) | MetricData::UpDownCounter(points) => {
            put_message(out, SUM, |out| {
                points.iter().for_each(|point| put_number(out, point, times));
                out.extend_from_slice(&[TEMPORALITY, CUMULATIVE]);
                if matches!(metric.data, MetricData::Counter(_)) {
                    out.extend_from_slice(&[IS_MONOTONIC, 1]);
                }
            });
        }
        MetricData::Gauge(points) => put_message(out, GAUGE, |out| {
            // A present value has no start.
            let times = Times { start: 0, ..times };
            points.iter().for_each(|point| put_number(out, point, times));
        }),
        MetricData::Histogram(points) => put_message(out, HISTOGRAM, |out| {
            points.iter().for_each(|point| put_histogram(out, point, times));
            out.extend_from_slice(&[TEMPORALITY, CUMULATIVE]);
        }),
        MetricData::ExponentialHistogram(points) => {
            put_message(out, EXPONENTIAL_HISTOGRAM, |out| {
                points.iter().for_each(|point| put_exponential(out, point, times));
                out.extend_from_slice(&[TEMPORALITY, CUMULATIVE]);
            });
        }
    }
}

// Keys: field number << 3 | wire type. Of `ExportMetricsServiceRequest`, `ResourceMetrics` and `ScopeMetrics`:
const RESOURCE_METRICS: u8 = 0x0a;
const SCOPE_METRICS: u8 = 0x12;
const METRIC: u8 = 0x12;
// Of `Metric`.
const NAME: u8 = 0x0a;
const DESCRIPTION: u8 = 0x12;
const UNIT: u8 = 0x1a;
const GAUGE: u8 = 0x2a;
const SUM: u8 = 0x3a;
const HISTOGRAM: u8 = 0x4a;
const EXPONENTIAL_HISTOGRAM: u8 = 0x52;
// Of `Sum`, `Histogram` and `ExponentialHistogram`.
const TEMPORALITY: u8 = 0x10;
const CUMULATIVE: u8 = 2;
const IS_MONOTONIC: u8 = 0x18;

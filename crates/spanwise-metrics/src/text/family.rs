//! The samples of one metric.

use std::borrow::Cow;

use super::buckets::explicit;
use super::exemplar::{largest, put_exemplar};
use super::format::TextFormat;
use super::labels::put_label;
use super::merge::{firsts, histograms, sums};
use super::name::{FamilyName, TOTAL};
use super::number::{put_bound, put_escaped, put_number, put_time};
use crate::model::{Exemplar, HistogramPoint, Metric, MetricData, Number};

/// Writes one metric.
pub(super) struct Family<'a> {
    pub(super) out: &'a mut String,
    pub(super) format: TextFormat,
    pub(super) name: FamilyName,
    /// Labels of every sample, each with a comma behind it.
    pub(super) common: &'a str,
    /// The time of `_created`, in nanoseconds since the Unix epoch, if it is written.
    pub(super) created: Option<u64>,
}

impl Family<'_> {
    /// Appends the metadata and all samples. Points with the same labels are added up; of a gauge, the first is written.
    pub(super) fn put(mut self, metric: &Metric) {
        self.put_metadata(metric);
        match &metric.data {
            MetricData::Counter(points) => {
                for point in sums(points, RESERVED) {
                    let exemplar = largest(&point.exemplars, f64::NEG_INFINITY, f64::INFINITY);
                    self.put_sample(TOTAL, &point.labels, point.value, exemplar);
                    self.put_created(&point.labels);
                }
            }
            MetricData::UpDownCounter(points) => {
                for point in sums(points, RESERVED) {
                    self.put_sample("", &point.labels, point.value, None);
                }
            }
            MetricData::Gauge(points) => {
                for (labels, value) in firsts(points, RESERVED) {
                    self.put_sample("", &labels, value, None);
                }
            }
            MetricData::Histogram(points) => self.put_histograms(points.iter().map(Cow::Borrowed)),
            MetricData::ExponentialHistogram(points) => {
                self.put_histograms(points.iter().map(|point| Cow::Owned(explicit(point))));
            }
        }
    }

    fn put_histograms<'p>(&mut self, points: impl Iterator<Item = Cow<'p, HistogramPoint>>) {
        for (labels, point) in histograms(points, RESERVED) {
            self.put_histogram(&point, &labels);
        }
    }

    fn put_metadata(&mut self, metric: &Metric) {
        let kind = match &metric.data {
            MetricData::Counter(_) => "counter",
            MetricData::UpDownCounter(_) | MetricData::Gauge(_) => "gauge",
            MetricData::Histogram(_) | MetricData::ExponentialHistogram(_) => "histogram",
        };
        // The name of a counter's family ends with `_total` in Prometheus' format alone.
        let is_open = self.format == TextFormat::OpenMetrics;
        let suffix = if kind == "counter" && !is_open { TOTAL } else { "" };
        let base = &self.name.base;
        for part in ["# TYPE ", base, suffix, " ", kind, "\n"] {
            self.out.push_str(part);
        }
        if is_open && !self.name.unit.is_empty() {
            for part in ["# UNIT ", base, " ", &self.name.unit, "\n"] {
                self.out.push_str(part);
            }
        }
        if !metric.description.is_empty() {
            for part in ["# HELP ", base, suffix, " "] {
                self.out.push_str(part);
            }
            put_escaped(self.out, &metric.description, is_open);
            self.out.push('\n');
        }
    }

    fn put_histogram(&mut self, point: &HistogramPoint, labels: &str) {
        let (mut count, mut above) = (0_u64, f64::NEG_INFINITY);
        let bounds = point.bounds().iter().copied().chain([f64::INFINITY]);
        for (bound, in_bucket) in bounds.zip(point.bucket_counts()) {
            count = count.saturating_add(*in_bucket);
            let mut with_bound = labels.to_owned();
            let mut value = String::new();
            put_bound(&mut value, bound, self.format);
            put_label(&mut with_bound, "le", &value);
            let exemplar = largest(point.exemplars(), above, bound);
            self.put_sample("_bucket", &with_bound, count.into(), exemplar);
            above = bound;
        }
        // A sum of values below 0 may fall; then OpenMetrics permits neither it nor the count.
        let may_fall = point.bounds().first().is_some_and(|first| *first < 0.0);
        if !may_fall {
            self.put_sample("_sum", labels, point.sum().into(), None);
        }
        if !may_fall || self.format == TextFormat::Prometheus {
            self.put_sample("_count", labels, count.into(), None);
        }
        self.put_created(labels);
    }

    fn put_created(&mut self, labels: &str) {
        if let (Some(time), TextFormat::OpenMetrics) = (self.created, self.format) {
            self.put_series("_created", labels);
            put_time(self.out, time);
            self.out.push('\n');
        }
    }

    fn put_sample(
        &mut self,
        suffix: &str,
        labels: &str,
        value: Number,
        exemplar: Option<&Exemplar>,
    ) {
        self.put_series(suffix, labels);
        put_number(self.out, value);
        if let (Some(exemplar), TextFormat::OpenMetrics) = (exemplar, self.format) {
            put_exemplar(self.out, exemplar);
        }
        self.out.push('\n');
    }

    /// Appends the name and the labels.
    fn put_series(&mut self, suffix: &str, labels: &str) {
        self.out.push_str(&self.name.base);
        self.out.push_str(suffix);
        if !self.common.is_empty() || !labels.is_empty() {
            self.out.push('{');
            self.out.push_str(self.common);
            self.out.push_str(labels);
            // The comma behind the last label.
            self.out.pop();
            self.out.push('}');
        }
        self.out.push(' ');
    }
}

/// Names of labels that attributes cannot have.
const RESERVED: &[&str] = &["le", "otel_scope_name", "otel_scope_version"];

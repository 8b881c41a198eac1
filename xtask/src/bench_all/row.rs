//! All samples of one implementation on one workload.

use serde_json::{Value, json};

/// The measurements, per span.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) workload: String,
    pub(super) implementation: String,
    ns: Vec<f64>,
    cpu_ns: Vec<f64>,
    spans_per_second: Vec<f64>,
    /// On the thread that makes the spans.
    pub(super) allocs: Option<f64>,
    pub(super) bytes: Option<f64>,
    /// Of all threads, drain included.
    pub(super) process_allocs: Option<f64>,
    process_bytes: Option<f64>,
    made: u64,
    exported: u64,
    lost: u64,
    sampled_out: u64,
    nowhere: u64,
    requests: u64,
    /// Bytes in over bytes out.
    pub(super) ratio: Option<f64>,
    pub(super) rss_peak_bytes: u64,
}

impl Row {
    pub(super) fn new(workload: &str, implementation: &str) -> Self {
        Self {
            workload: workload.to_owned(),
            implementation: implementation.to_owned(),
            ..Self::default()
        }
    }

    /// Adds the answer of one process that took times.
    pub(super) fn add(&mut self, answer: &Value) {
        let series = |key: &str| {
            answer[key].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
        };
        let count = |key: &str| answer[key].as_u64().unwrap_or(0);
        self.ns.extend::<Vec<f64>>(series("ns"));
        self.cpu_ns.extend::<Vec<f64>>(series("cpu_ns"));
        self.spans_per_second.extend::<Vec<f64>>(series("spans_per_second"));
        self.made += count("made");
        self.exported += count("exported");
        self.lost += count("lost");
        self.sampled_out += count("sampled_out");
        self.nowhere += count("nowhere");
        self.requests += count("requests");
        self.ratio = answer["ratio"].as_f64().or(self.ratio);
        self.rss_peak_bytes = self.rss_peak_bytes.max(count("rss_peak_bytes"));
    }

    /// Adds the answer of the counting binary.
    pub(super) fn add_allocations(&mut self, answer: &Value) {
        self.allocs = answer["allocs"].as_f64();
        self.bytes = answer["bytes"].as_f64();
        self.process_allocs = answer["process_allocs"].as_f64();
        self.process_bytes = answer["process_bytes"].as_f64();
    }

    /// Wall nanoseconds per span and thread.
    pub(super) fn ns(&self) -> Option<f64> {
        median(&self.ns)
    }

    pub(super) fn ns_range(&self) -> Option<(f64, f64)> {
        let min = self.ns.iter().copied().reduce(f64::min)?;
        Some((min, self.ns.iter().copied().fold(min, f64::max)))
    }

    /// Processor nanoseconds per span, all threads.
    pub(super) fn cpu_ns(&self) -> Option<f64> {
        median(&self.cpu_ns)
    }

    pub(super) fn spans_per_second(&self) -> Option<f64> {
        median(&self.spans_per_second)
    }

    /// Requests in a second, at that rate.
    pub(super) fn requests_per_second(&self) -> Option<f64> {
        let rate = self.spans_per_second()?;
        (self.requests > 0).then(|| rate * self.requests as f64 / self.exported as f64)
    }

    /// Of the spans that the sampler wanted and that had somewhere to go.
    pub(super) fn exported(&self) -> Option<f64> {
        let wanted = self.exported + self.lost;
        (wanted > 0).then(|| self.exported as f64 / wanted as f64)
    }

    pub(super) fn to_json(&self) -> Value {
        let (min, max) = self.ns_range().unzip();
        json!({
            "workload": self.workload,
            "impl": self.implementation,
            "ns_median": self.ns(),
            "ns_min": min,
            "ns_max": max,
            "cpu_ns": self.cpu_ns(),
            "allocs": self.allocs,
            "bytes": self.bytes,
            "process_allocs": self.process_allocs,
            "process_bytes": self.process_bytes,
            "made": self.made,
            "exported": self.exported(),
            "spans_per_second": self.spans_per_second(),
            "requests_per_second": self.requests_per_second(),
            "ratio": self.ratio,
            "lost": self.lost,
            "sampled_out": self.sampled_out,
            "rss_peak_bytes": self.rss_peak_bytes,
        })
    }
}

fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted.get(middle).copied(),
        _ => Some((sorted.get(middle.checked_sub(1)?)? + sorted.get(middle)?) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn rows_add_up_processes() {
        let mut row = Row::new("w1", "x");
        row.add(
            &json!({"ns": [2.0, 1.0], "made": 30, "exported": 30, "lost": 0, "rss_peak_bytes": 5}),
        );
        row.add(&json!({"ns": [9.0], "made": 10, "exported": 0, "lost": 10, "rss_peak_bytes": 4}));
        assert_eq!((row.ns(), row.ns_range()), (Some(2.0), Some((1.0, 9.0))));
        assert_eq!((row.exported(), row.rss_peak_bytes), (Some(0.75), 5));
    }
}

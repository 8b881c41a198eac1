//! All samples of one implementation on one workload.

use super::contest::is_end_to_end;
use super::contest::{W1_RATIO, W2_RATIO, W3_RATIO};
use super::load::DISTURBING;
use super::statistics::{median, spread};
use serde_json::{Value, json};

/// The measurements, per span.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) workload: String,
    pub(super) implementation: String,
    processes: Vec<Process>,
    /// On the thread that makes the spans.
    pub(super) allocs: Option<f64>,
    pub(super) bytes: Option<f64>,
    /// Of all threads, drain included.
    pub(super) process_allocs: Option<f64>,
    process_bytes: Option<f64>,
    /// On the threads that make the spans.
    pub(super) instructions: Option<f64>,
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

/// The times of one process.
#[derive(Debug, Clone, Default)]
struct Process {
    ns: Vec<f64>,
    cpu_ns: Vec<f64>,
    spans_per_second: Vec<f64>,
    worker_share: Option<f64>,
    /// Cores that others took meanwhile; `None` if the system does not report it.
    foreign: Option<f64>,
}

impl Row {
    pub(super) fn new(workload: &str, implementation: &str) -> Self {
        Self {
            workload: workload.to_owned(),
            implementation: implementation.to_owned(),
            ..Self::default()
        }
    }

    /// Adds the answer of one process that took times, and the foreign load beside it.
    pub(super) fn add(&mut self, answer: &Value, foreign: Option<f64>) {
        let series = |key: &str| {
            answer[key].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
        };
        let count = |key: &str| answer[key].as_u64().unwrap_or(0);
        self.processes.push(Process {
            ns: series("ns"),
            cpu_ns: series("cpu_ns"),
            spans_per_second: series("spans_per_second"),
            worker_share: answer["worker_share"].as_f64(),
            foreign,
        });
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
        // Under a ratio a difference of two counts: caches may have made it negative.
        let count = |key: &str| answer[key].as_f64().map(|count| count.max(0.0));
        self.allocs = count("allocs");
        self.bytes = count("bytes");
        self.process_allocs = count("process_allocs");
        self.process_bytes = count("process_bytes");
    }

    /// Wall nanoseconds per span and thread. `None` also for a median that is not positive: under a ratio each
    /// sample is a difference of two times, which is noise then.
    pub(super) fn ns(&self) -> Option<f64> {
        median(&self.samples(|process| &process.ns)).filter(|nanos| *nanos > 0.0)
    }

    pub(super) fn ns_range(&self) -> Option<(f64, f64)> {
        let samples = self.samples(|process| &process.ns);
        let min = samples.iter().copied().reduce(f64::min)?;
        Some((min, samples.into_iter().fold(min, f64::max)))
    }

    /// Processor nanoseconds per span, all threads. `None` as for [`ns`](Self::ns).
    pub(super) fn cpu_ns(&self) -> Option<f64> {
        median(&self.samples(|process| &process.cpu_ns)).filter(|nanos| *nanos > 0.0)
    }

    pub(super) fn spans_per_second(&self) -> Option<f64> {
        median(&self.samples(|process| &process.spans_per_second))
    }

    /// Processor time of all threads but the one that makes spans, as a share of a core.
    pub(super) fn worker_share(&self) -> Option<f64> {
        median(&self.used().filter_map(|process| process.worker_share).collect::<Vec<_>>())
    }

    /// The interquartile range over the median, of the times on the wall; end to end, of the rates.
    pub(super) fn spread(&self) -> Option<f64> {
        spread(&self.samples(|process| {
            if is_end_to_end(&self.workload) { &process.spans_per_second } else { &process.ns }
        }))
    }

    /// The foreign load beside each process.
    pub(super) fn foreign_loads(&self) -> impl Iterator<Item = f64> {
        self.processes.iter().filter_map(|process| process.foreign)
    }

    /// The greatest foreign load beside the processes whose times count.
    pub(super) fn foreign_load(&self) -> Option<f64> {
        self.used().filter_map(|process| process.foreign).reduce(f64::max)
    }

    /// Processes beside which no foreign load was found.
    pub(super) fn undisturbed(&self) -> usize {
        self.processes.iter().filter(|process| !process.is_disturbed()).count()
    }

    pub(super) fn processes(&self) -> usize {
        self.processes.len()
    }

    /// Requests in a second, at that rate.
    pub(super) fn requests_per_second(&self) -> Option<f64> {
        let rate = self.spans_per_second()?;
        (self.requests > 0).then(|| rate * self.requests as f64 / self.exported as f64)
    }

    /// Spans of a request on average.
    pub(super) fn spans_per_request(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.exported as f64 / self.requests as f64)
    }

    /// Processor time of the process at that rate, as a share of a core.
    pub(super) fn cpu_share(&self) -> Option<f64> {
        Some(self.cpu_ns()? * self.spans_per_second()? / 1e9)
    }

    /// Of the spans that were to be exported: with an always-on sampler all of them, because spans below a
    /// refused one count as sampled out.
    pub(super) fn exported(&self) -> Option<f64> {
        let unsampled = if self.is_always_on() { 0 } else { self.sampled_out };
        let wanted = self.made - self.nowhere.min(self.made) - unsampled.min(self.made);
        (wanted > 0).then(|| self.exported as f64 / wanted as f64)
    }

    fn is_always_on(&self) -> bool {
        ![W1_RATIO, W2_RATIO, W3_RATIO, "w1-off"].contains(&self.workload.as_str())
    }

    pub(super) fn to_json(&self) -> Value {
        let (min, max) = self.ns_range().unzip();
        json!({
            "workload": self.workload,
            "impl": self.implementation,
            "ns_median": self.ns(),
            "ns_min": min,
            "ns_max": max,
            "spread": self.spread(),
            "processes": self.processes(),
            "undisturbed": self.undisturbed(),
            "foreign_load": self.foreign_load(),
            "cpu_ns": self.cpu_ns(),
            "worker_share": self.worker_share(),
            "allocs": self.allocs,
            "bytes": self.bytes,
            "process_allocs": self.process_allocs,
            "process_bytes": self.process_bytes,
            "instructions": self.instructions,
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

    /// The processes whose times count: the undisturbed ones, or all if there is none. The load
    /// decides and not the times, so the choice favors neither fast nor slow samples.
    fn used(&self) -> impl Iterator<Item = &Process> {
        let any_undisturbed = self.undisturbed() > 0;
        self.processes.iter().filter(move |process| !(any_undisturbed && process.is_disturbed()))
    }

    fn samples(&self, of: impl Fn(&Process) -> &Vec<f64>) -> Vec<f64> {
        self.used().flat_map(of).copied().collect()
    }
}

impl Process {
    fn is_disturbed(&self) -> bool {
        self.foreign.is_some_and(|cores| cores > DISTURBING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up_processes() {
        let mut row = Row::new("w1", "x");
        row.add(
            &json!({"ns": [2.0, 1.0], "made": 30, "exported": 30, "lost": 0, "rss_peak_bytes": 5}),
            None,
        );
        let other =
            json!({"ns": [9.0], "made": 10, "exported": 0, "lost": 10, "rss_peak_bytes": 4});
        row.add(&other, None);
        assert_eq!((row.ns(), row.ns_range()), (Some(2.0), Some((1.0, 9.0))));
        assert_eq!((row.exported(), row.rss_peak_bytes), (Some(0.75), 5));
        assert_eq!((row.foreign_load(), row.undisturbed()), (None, 2));
    }

    #[test]
    fn times_of_a_disturbed_process_count_only_if_there_are_no_others() {
        let mut row = Row::new("w1", "x");
        row.add(&json!({"ns": [90.0, 80.0], "made": 10, "exported": 10}), Some(0.7));
        assert_eq!((row.ns(), row.foreign_load(), row.undisturbed()), (Some(85.0), Some(0.7), 0));
        row.add(&json!({"ns": [40.0], "made": 10, "exported": 10}), Some(0.02));
        assert_eq!((row.ns(), row.foreign_load(), row.undisturbed()), (Some(40.0), Some(0.02), 1));
        assert_eq!(row.foreign_loads().collect::<Vec<_>>(), [0.7, 0.02]);
        // Its spans count in any case.
        assert_eq!(row.to_json()["made"], 20);
    }

    #[test]
    fn a_difference_below_zero_is_no_measurement() {
        let mut row = Row::new(W1_RATIO, "x");
        row.add(&json!({"ns": [-3.0, -1.0, 9.0], "cpu_ns": [-3.0, 2.0, 9.0]}), None);
        row.add_allocations(&json!({"allocs": -0.01, "bytes": 8.0}));
        assert_eq!((row.ns(), row.cpu_ns()), (None, Some(2.0)));
        assert_eq!((row.allocs, row.bytes, row.process_allocs), (Some(0.0), Some(8.0), None));
    }

    #[test]
    fn end_to_end_the_spread_is_that_of_the_rate() {
        let answer = json!({"ns": [1.0, 1.0, 1.0], "spans_per_second": [8.0, 10.0, 12.0]});
        let spread = |workload| {
            let mut row = Row::new(workload, "x");
            row.add(&answer, None);
            row.spread()
        };
        assert_eq!((spread("w1"), spread("e2e-http")), (Some(0.0), Some(0.2)));
    }
}

//! The one line of JSON that a process prints.

use crate::arguments::Arguments;
use crate::process::peak_rss_bytes;
use crate::subject::Tally;
use serde_json::json;

/// The measurements of a process, per span unless a field states otherwise.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Wall nanoseconds per span and thread, one entry a sample.
    pub(crate) ns: Vec<f64>,
    /// Processor nanoseconds of the whole process, background threads and drain included.
    pub(crate) cpu_ns: Vec<f64>,
    /// Spans of all threads that reached their end in a second, one entry a sample.
    pub(crate) spans_per_second: Vec<f64>,
    /// Calls and bytes on the thread that makes the spans.
    pub(crate) allocations: Option<(f64, f64)>,
    /// Calls and bytes of all threads, drain included.
    pub(crate) process_allocations: Option<(f64, f64)>,
    /// Requests sent, for all spans made.
    pub(crate) requests: Option<u64>,
    /// Bytes in over bytes out.
    pub(crate) ratio: Option<f64>,
    /// Operations under a ratio whose root span was sampled, and the other ones. Of `once` and
    /// `once-dropped` without the warm-up: those whose instructions are counted.
    pub(crate) sampled_ops: Option<(u64, u64)>,
    /// Of an overload: spans of the timed bursts that found space in the buffer.
    pub(crate) accepted: Option<u64>,
    /// Of an overload: processor time of all threads but the calling one, as a share of the wall time.
    pub(crate) worker_share: Option<f64>,
    pub(crate) made: u64,
    pub(crate) tally: Tally,
}

impl Answer {
    pub(crate) fn print(&self, arguments: &Arguments) {
        let (allocs, bytes) = self.allocations.unzip();
        let (process_allocs, process_bytes) = self.process_allocations.unzip();
        let (sampled_ops, unsampled_ops) = self.sampled_ops.unzip();
        let Tally { exported, lost, sampled_out, nowhere } = self.tally;
        println!(
            "{}",
            json!({
                "workload": arguments.workload.name,
                "impl": arguments.implementation,
                "ns": self.ns,
                "cpu_ns": self.cpu_ns,
                "spans_per_second": self.spans_per_second,
                "allocs": allocs,
                "bytes": bytes,
                "process_allocs": process_allocs,
                "process_bytes": process_bytes,
                "requests": self.requests,
                "ratio": self.ratio,
                "sampled_ops": sampled_ops,
                "unsampled_ops": unsampled_ops,
                "accepted": self.accepted,
                "worker_share": self.worker_share,
                "made": self.made,
                "exported": exported,
                "lost": lost,
                "sampled_out": sampled_out,
                "nowhere": nowhere,
                "rss_peak_bytes": peak_rss_bytes(),
            })
        );
    }
}

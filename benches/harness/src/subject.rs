//! The trait of a measured implementation.

use crate::workload::Workload;

/// An implementation set up for one workload.
pub trait Subject: Sync {
    /// Prepares `ops` operations; untimed.
    fn prepare(&self, _ops: u64) {}

    /// Makes `ops` operations on the calling thread.
    fn run(&self, ops: u64);

    /// Waits until every span is exported or lost; untimed in bursts, timed end to end.
    fn settle(&self);

    /// The outcome of all `made` spans so far.
    fn tally(&self, made: u64) -> Tally;

    /// The operations whose root span the calling code found sampled, under a sampler with a ratio.
    fn sampled_ops(&self) -> u64 {
        0
    }

    /// The spans of the `made` ones that found no space in a full buffer, for an overload.
    fn refused(&self, _made: u64) -> u64 {
        0
    }

    /// Ends the subject after an overload. The spans that it has not exported within a second are lost.
    fn close(&self) {}

    /// The number of requests sent so far, if the implementation sends any.
    fn requests(&self) -> Option<u64> {
        None
    }

    /// Bytes in over bytes out, if the implementation compresses.
    fn ratio(&self) -> Option<f64> {
        None
    }

    /// The spans of a burst, if the workload's number does not fit.
    fn burst_spans(&self) -> Option<u64> {
        None
    }
}

/// The one function whose instructions the instruction counter counts.
#[inline(never)]
pub fn measured_run(subject: &dyn Subject, ops: u64) {
    subject.run(ops);
}

/// The operations of a burst.
pub(crate) fn burst_ops(subject: &dyn Subject, workload: &Workload) -> u64 {
    let spans = subject.burst_spans().unwrap_or(workload.burst_spans);
    (spans / workload.spans_per_op).max(1)
}

/// The outcome of spans, as counts. The measurement is valid only if the four counts add up to the
/// number of spans made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Spans that arrived at the exporter or the receiver.
    pub exported: u64,
    /// Spans dropped on the way.
    pub lost: u64,
    /// Spans that the sampler did not record.
    pub sampled_out: u64,
    /// Spans of a set-up without an exporter.
    pub nowhere: u64,
}

impl Tally {
    pub(crate) fn sum(&self) -> u64 {
        self.exported + self.lost + self.sampled_out + self.nowhere
    }
}

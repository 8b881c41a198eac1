//! What is measured.

/// An implementation set up for one workload.
pub trait Subject: Sync {
    /// Gets ready for `ops` operations; untimed.
    fn prepare(&self, _ops: u64) {}

    /// Makes `ops` operations on the calling thread.
    fn run(&self, ops: u64);

    /// Returns when every span made has come to its end; untimed in bursts, timed end to end.
    fn settle(&self);

    /// What became of all spans so far, `made` of them.
    fn tally(&self, made: u64) -> Tally;

    /// Requests sent so far, by those that send.
    fn requests(&self) -> Option<u64> {
        None
    }

    /// Bytes in over bytes out, by those that make bytes fewer.
    fn ratio(&self) -> Option<f64> {
        None
    }

    /// Spans of a burst, where the workload's number does not fit.
    fn burst_spans(&self) -> Option<u64> {
        None
    }
}

/// What became of spans. The four add up to what was made, or the measurement is void.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Arrived where they should.
    pub kept: u64,
    /// Dropped on the way.
    pub lost: u64,
    /// Never recorded, by the sampler's word.
    pub sampled_out: u64,
    /// Made by a set-up that has nowhere to send them.
    pub nowhere: u64,
}

impl Tally {
    pub(crate) fn sum(&self) -> u64 {
        self.kept + self.lost + self.sampled_out + self.nowhere
    }
}

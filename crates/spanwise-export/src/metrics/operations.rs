//! The durations of export operations, by their result.

use spanwise_transport::ResponseStatus;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The result of an operation: the attributes of its duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OperationResult {
    /// `error.type`; `None` for success.
    pub(crate) error: Option<&'static str>,
    /// The status of the last response.
    pub(crate) status: Option<ResponseStatus>,
}

/// The durations of one exporter's operations. One thread records; any may read.
#[derive(Debug)]
pub(crate) struct Operations {
    /// The results that occurred, from the first on.
    series: [OnceLock<Series>; RESULTS],
    /// Of results beyond.
    overflow: Sum,
}

#[derive(Debug)]
struct Series {
    result: OperationResult,
    sum: Sum,
}

/// A histogram with one bucket.
#[derive(Debug, Default)]
struct Sum {
    count: AtomicU64,
    nanos: AtomicU64,
}

/// The recorded durations of one result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RecordedOperations {
    /// `None` for all results beyond the first ones.
    pub(crate) result: Option<OperationResult>,
    pub(crate) count: u64,
    pub(crate) seconds: f64,
}

impl Operations {
    pub(crate) const fn new() -> Self {
        Self {
            series: [const { OnceLock::new() }; RESULTS],
            overflow: Sum { count: AtomicU64::new(0), nanos: AtomicU64::new(0) },
        }
    }

    /// Records an operation, from its first attempt to the end of the last.
    pub(crate) fn record(&self, result: OperationResult, duration: Duration) {
        let of_result = self.series.iter().find_map(|place| {
            let series = place.get_or_init(|| Series { result, sum: Sum::default() });
            (series.result == result).then_some(&series.sum)
        });
        let Sum { count, nanos } = of_result.unwrap_or(&self.overflow);
        nanos.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        count.fetch_add(1, Relaxed);
    }

    pub(crate) fn recorded(&self) -> impl Iterator<Item = RecordedOperations> + '_ {
        let known = self.series.iter().map_while(OnceLock::get);
        let known = known.map(|series| (Some(series.result), &series.sum));
        known.chain([(None, &self.overflow)]).filter_map(|(result, sum)| {
            let count = sum.count.load(Relaxed);
            let seconds = Duration::from_nanos(sum.nanos.load(Relaxed)).as_secs_f64();
            (count > 0).then_some(RecordedOperations { result, count, seconds })
        })
    }
}

/// Results with a series of their own, for each exporter: statuses are the receiver's choice, so that their number needs a bound.
const RESULTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_beyond_the_first_ones_share_a_series() {
        let operations = Operations::new();
        for status in 0..40_u16 {
            let result =
                OperationResult { error: None, status: Some(ResponseStatus::Http(status)) };
            operations.record(result, Duration::from_millis(500));
            operations.record(result, Duration::from_millis(1_500));
        }
        let recorded: Vec<_> = operations.recorded().collect();
        assert_eq!(recorded.len(), RESULTS + 1);
        let first = recorded.first().unwrap();
        assert_eq!((first.count, first.seconds), (2, 2.0));
        let last = recorded.last().unwrap();
        assert_eq!((last.result, last.count, last.seconds), (None, 16, 16.0));
    }
}

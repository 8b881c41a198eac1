//! Histograms with explicit buckets.

use super::cells::ShardedCells;
use super::error::RecorderError;
use super::exemplars::{ExemplarPlaces, ObservedSpan};
use super::sum::Sum;
use crate::model::HistogramPoint;

/// A histogram with explicit buckets into which many threads record whole numbers.
///
/// A recorded number has a small unit, such as nanoseconds, and the bounds and the sum the reported one: the divisor lies between them.
///
/// ```
/// use spanwise_metrics::HistogramRecorder;
///
/// let seconds = HistogramRecorder::builder().with_bounds([0.005, 0.5]).with_divisor(1_000_000_000);
/// let durations = seconds.build()?;
/// durations.record(5_000_000);
/// durations.record(5_000_001);
/// let point = durations.point();
/// assert_eq!((point.bucket_counts(), point.sum()), ([1, 1, 0].as_slice(), 0.010000001));
/// # Ok::<(), spanwise_metrics::RecorderError>(())
/// ```
///
/// # Cost
/// A thread-local read, a search in the bounds, two loads and two stores; two atomic additions for threads beyond the number of shards.
/// No lock, no allocation. For each shard and one more 8 bytes for each bucket and 16 for the sum, rounded up to 128.
#[derive(Debug)]
pub struct HistogramRecorder {
    cells: ShardedCells,
    sum: Sum,
    /// The bounds in the recorded unit.
    whole_bounds: Box<[u64]>,
    /// For each number of significant bits the first bound of a value with that number: a few comparisons find its bucket,
    /// where a binary search would wait for each of its loads.
    first_bounds: [u8; 65],
    bounds: Box<[f64]>,
    divisor: u64,
    /// One place for each bucket, or none.
    exemplars: ExemplarPlaces,
}

impl HistogramRecorder {
    /// A builder with the specification's default bounds and the divisor 1.
    pub fn builder() -> HistogramRecorderBuilder {
        HistogramRecorderBuilder {
            bounds: DEFAULT_BOUNDS.to_vec(),
            divisor: 1,
            shards: None,
            with_exemplars: false,
        }
    }

    /// Records a value in the recorded unit.
    #[inline]
    pub fn record(&self, value: u64) {
        self.record_in(self.bucket(value), value);
    }

    /// Records a value in the recorded unit with the span during which it was observed, which becomes the exemplar of its bucket.
    ///
    /// # Cost
    /// With exemplars, one atomic read-modify-write more, on memory that all threads share: for sampled spans only, which are few.
    #[inline]
    pub fn record_with_span(&self, value: u64, span: ObservedSpan) {
        let bucket = self.bucket(value);
        self.record_in(bucket, value);
        self.exemplars.put(bucket, value, span);
    }

    #[inline]
    pub(super) fn bucket(&self, value: u64) -> usize {
        let bits = (u64::BITS - value.leading_zeros()) as usize;
        let mut bucket = self.first_bounds.get(bits).copied().map_or(0, usize::from);
        while self.whole_bounds.get(bucket).is_some_and(|bound| *bound < value) {
            bucket += 1;
        }
        bucket
    }

    #[inline]
    fn record_in(&self, bucket: usize, value: u64) {
        let shard = self.cells.shard();
        shard.add(bucket, 1);
        self.sum.add(shard, value);
    }

    /// The values of all threads in the reported unit, without attributes. Values that are recorded meanwhile may be in a
    /// bucket and not yet in the sum, or the other way round; neither ever falls.
    pub fn point(&self) -> HistogramPoint {
        let counts: Vec<u64> = (0..=self.bounds.len()).map(|cell| self.cells.sum(cell)).collect();
        let sum = self.sum.value(&self.cells, self.divisor());
        self.point_of(counts, sum).with_exemplars(self.exemplars.exemplars(self.divisor()))
    }

    /// A point with the counts of the buckets and a sum that were recorded elsewhere.
    pub(super) fn point_of(&self, counts: Vec<u64>, sum: f64) -> HistogramPoint {
        HistogramPoint::new(self.bounds.to_vec(), counts, sum)
    }

    /// The number of buckets.
    pub(super) fn buckets(&self) -> usize {
        self.bounds.len() + 1
    }

    pub(super) fn divisor(&self) -> f64 {
        self.divisor as f64
    }

    /// Bytes of its counters.
    pub fn memory_bytes(&self) -> usize {
        self.cells.bytes()
    }
}

/// Builds a [`HistogramRecorder`].
#[derive(Debug, Clone)]
pub struct HistogramRecorderBuilder {
    bounds: Vec<f64>,
    divisor: u64,
    pub(super) shards: Option<usize>,
    pub(super) with_exemplars: bool,
}

impl HistogramRecorderBuilder {
    /// The upper bounds of all buckets but the last in the reported unit: at most 64, ascending, none negative. Without any, there is one
    /// bucket. Default: 0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1,000, 2,500, 5,000, 7,500, 10,000.
    #[must_use]
    pub fn with_bounds(mut self, bounds: impl Into<Vec<f64>>) -> Self {
        self.bounds = bounds.into();
        self
    }

    /// The number of recorded units in a reported one: 1,000,000,000 for nanoseconds that are reported in seconds. Default 1.
    #[must_use]
    pub fn with_divisor(mut self, divisor: u64) -> Self {
        self.divisor = divisor;
        self
    }

    /// The number of threads with counters of their own, at most 64. Default: two for each processor.
    #[must_use]
    pub fn with_shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Whether each bucket has the latest observation with a span as its exemplar. Default false.
    #[must_use]
    pub fn with_exemplars(mut self, with_exemplars: bool) -> Self {
        self.with_exemplars = with_exemplars;
        self
    }

    /// The recorder.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn build(self) -> Result<HistogramRecorder, RecorderError> {
        let Self { bounds, divisor, shards, with_exemplars } = self;
        let count = bounds.len();
        if count > MAX_BOUNDS {
            return Err(RecorderError::Bounds { count, bound: None });
        }
        let mut last = -1.0;
        for bound in &bounds {
            if !bound.is_finite() || *bound < 0.0 || *bound <= last {
                return Err(RecorderError::Bounds { count, bound: Some(*bound) });
            }
            last = *bound;
        }
        if divisor == 0 {
            return Err(RecorderError::Divisor);
        }
        let buckets = count + 1;
        let cells = ShardedCells::new(buckets + Sum::CELLS, shards)?;
        let whole_bounds: Box<[u64]> = bounds.iter().map(|bound| whole(*bound, divisor)).collect();
        let smallest = |bits: usize| bits.checked_sub(1).map_or(0, |shift| 1_u64 << shift);
        let first_bounds = std::array::from_fn(|bits| {
            // At most 64 bounds.
            whole_bounds.partition_point(|bound| *bound < smallest(bits)) as u8
        });
        let bounds = bounds.into_boxed_slice();
        let exemplars = ExemplarPlaces::new(if with_exemplars { buckets } else { 0 });
        let sum = Sum::new(buckets);
        Ok(HistogramRecorder { cells, sum, whole_bounds, first_bounds, bounds, divisor, exemplars })
    }
}

/// The largest number in the recorded unit that is not above `bound`.
fn whole(bound: f64, divisor: u64) -> u64 {
    let product = bound * divisor as f64;
    let nearest = product.round();
    // 0.3 × 10⁹ is a little less than 300,000,000.
    let is_rounded = (product - nearest).abs() <= product * 4.0 * f64::EPSILON;
    (if is_rounded { nearest } else { product.floor() }) as u64
}

const MAX_BOUNDS: usize = 64;

/// The bounds of the specification's default aggregation.
const DEFAULT_BOUNDS: &[f64] = &[
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0,
    7_500.0, 10_000.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_become_whole_numbers_without_an_error_of_rounding() {
        let check = |bound, expected| assert_eq!(whole(bound, 1_000_000_000), expected, "{bound}");
        check(0.0, 0);
        check(0.005, 5_000_000);
        check(0.3, 300_000_000);
        check(0.000_000_001_5, 1);
        check(7.5, 7_500_000_000);
        check(1e300, u64::MAX);
        assert_eq!(whole(2.5, 1), 2);
    }

    #[test]
    fn a_sum_beyond_64_bits_is_not_lost() {
        let recorder = HistogramRecorder::builder().with_bounds([]).build().unwrap();
        recorder.record(u64::MAX);
        recorder.record(u64::MAX);
        recorder.record(2);
        let point = recorder.point();
        assert_eq!((point.count(), point.sum()), (3, 2.0_f64.powi(65)));
    }
}

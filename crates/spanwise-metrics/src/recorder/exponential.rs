//! Histograms with exponential buckets.

use super::cells::ShardedCells;
use super::error::RecorderError;
use super::exemplars::{ExemplarPlaces, ObservedSpan};
use super::mapping::Mapping;
use super::sum::Sum;
use crate::model::{ExponentialBuckets, ExponentialHistogramPoint};

/// A histogram with exponential buckets into which many threads record whole numbers.
///
/// While values are recorded, the scale is fixed and all buckets exist, so that no thread has to rescale under the eyes of another; the
/// collection lowers the scale until the values have at most 160 buckets, as the specification's default.
///
/// ```
/// use spanwise_metrics::ExponentialHistogramRecorder;
///
/// let seconds = ExponentialHistogramRecorder::builder().with_divisor(1_000_000_000).build()?;
/// seconds.record(500_000_000);
/// seconds.record(0);
/// let point = seconds.point();
/// assert_eq!((point.scale, point.zero_count, point.positive.counts.as_slice()), (3, 1, [1].as_slice()));
/// // (2^(-9/8), 2^(-8/8)]
/// assert_eq!((point.positive.offset, point.sum), (-9, 0.5));
/// # Ok::<(), spanwise_metrics::RecorderError>(())
/// ```
///
/// # Cost
/// A thread-local read, a division, a search among the bounds of one power of two, two loads and two stores; two atomic additions for
/// threads beyond the number of shards. No lock, no allocation. For each shard and one more 8 bytes for each bucket: 2^scale for each
/// power of two of the range, which has 64 by default.
#[derive(Debug)]
pub struct ExponentialHistogramRecorder {
    cells: ShardedCells,
    sum: Sum,
    mapping: Mapping,
    scale: u8,
    /// The index of the first bucket.
    offset: i32,
    buckets: usize,
    zero_threshold: f64,
    divisor: f64,
    /// [`EXEMPLARS`] places, or none.
    exemplars: ExemplarPlaces,
}

impl ExponentialHistogramRecorder {
    /// The most buckets of a point.
    pub const MAX_BUCKETS: usize = 160;

    /// A builder with the scale 3 (eight buckets for each power of two), the divisor 1 and all numbers as the range.
    pub fn builder() -> ExponentialHistogramRecorderBuilder {
        ExponentialHistogramRecorderBuilder {
            scale: 3,
            divisor: 1,
            range: None,
            shards: None,
            with_exemplars: false,
        }
    }

    /// Records a value in the recorded unit.
    #[inline]
    pub fn record(&self, value: u64) {
        self.record_in(self.cell(value), value);
    }

    /// Records a value in the recorded unit with the span during which it was observed, which becomes an exemplar.
    ///
    /// # Cost
    /// With exemplars, one atomic read-modify-write more, on memory that all threads share: for sampled spans only, which are few.
    #[inline]
    pub fn record_with_span(&self, value: u64, span: ObservedSpan) {
        let cell = self.cell(value);
        self.record_in(cell, value);
        self.exemplars.put(cell, value, span);
    }

    /// The counter of a value: its bucket, or the one behind them for what counts as zero.
    #[inline]
    pub(super) fn cell(&self, value: u64) -> usize {
        let reported = value as f64 / self.divisor;
        if reported <= self.zero_threshold {
            return self.buckets;
        }
        let index = self.mapping.index(reported) - self.offset;
        (index.max(0) as usize).min(self.buckets - 1)
    }

    #[inline]
    fn record_in(&self, cell: usize, value: u64) {
        let shard = self.cells.shard();
        shard.add(cell, 1);
        self.sum.add(shard, value);
    }

    /// The values of all threads in the reported unit, without attributes. Values that are recorded meanwhile may be in a
    /// bucket and not yet in the sum, or the other way round; neither ever falls.
    pub fn point(&self) -> ExponentialHistogramPoint {
        let counts: Vec<u64> = (0..=self.buckets).map(|cell| self.cells.sum(cell)).collect();
        let sum = self.sum.value(&self.cells, self.divisor);
        let mut point = self.point_of(counts, sum);
        point.exemplars = self.exemplars.exemplars(self.divisor);
        point
    }

    /// A point with a sum and counts that were recorded elsewhere: those of the buckets and behind them that of the zeros.
    pub(super) fn point_of(&self, mut counts: Vec<u64>, sum: f64) -> ExponentialHistogramPoint {
        let zeros = counts.pop().unwrap_or_default();
        let buckets = ExponentialBuckets::new(self.offset, counts);
        let mut point = ExponentialHistogramPoint::new(self.scale.into(), buckets, sum)
            .with_zeros(zeros, self.zero_threshold);
        point.downscale_until(Self::MAX_BUCKETS);
        point
    }

    /// The number of buckets and the counter of zeros behind them.
    pub(super) fn cells(&self) -> usize {
        self.buckets + 1
    }

    pub(super) fn divisor(&self) -> f64 {
        self.divisor
    }

    /// Bytes of its counters.
    pub fn memory_bytes(&self) -> usize {
        self.cells.bytes()
    }
}

/// Builds an [`ExponentialHistogramRecorder`].
#[derive(Debug, Clone)]
pub struct ExponentialHistogramRecorderBuilder {
    scale: u8,
    divisor: u64,
    range: Option<(f64, f64)>,
    pub(super) shards: Option<usize>,
    pub(super) with_exemplars: bool,
}

impl ExponentialHistogramRecorderBuilder {
    /// The scale while values are recorded, 0 to 5: 2^scale buckets for each power of two. Default 3, a bucket's bounds 9 % apart.
    #[must_use]
    pub fn with_scale(mut self, scale: u8) -> Self {
        self.scale = scale;
        self
    }

    /// The number of recorded units in a reported one: 1,000,000,000 for nanoseconds that are reported in seconds. Default 1.
    #[must_use]
    pub fn with_divisor(mut self, divisor: u64) -> Self {
        self.divisor = divisor;
        self
    }

    /// The values that have buckets, in the reported unit: a value up to `min` counts as zero, one above `max` in the last bucket.
    /// Default: all numbers.
    #[must_use]
    pub fn with_range(mut self, min: f64, max: f64) -> Self {
        self.range = Some((min, max));
        self
    }

    /// The number of threads with counters of their own, at most 64. Default: two for each processor.
    #[must_use]
    pub fn with_shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Whether the point has exemplars: the latest of every 16th bucket, 16 at most. Default false.
    #[must_use]
    pub fn with_exemplars(mut self, with_exemplars: bool) -> Self {
        self.with_exemplars = with_exemplars;
        self
    }

    /// The recorder.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn build(self) -> Result<ExponentialHistogramRecorder, RecorderError> {
        let Self { scale, divisor, range, shards, with_exemplars } = self;
        if scale > Mapping::MAX_SCALE {
            return Err(RecorderError::Scale { scale });
        }
        if divisor == 0 {
            return Err(RecorderError::Divisor);
        }
        let (mapping, divisor) = (Mapping::new(scale), divisor as f64);
        let (smallest, largest) = (1.0 / divisor, u64::MAX as f64 / divisor);
        let (zero_threshold, first, last) = match range {
            None => (0.0, smallest, largest),
            Some((min, max)) if 0.0 < min && min < max && max.is_finite() => {
                // No more buckets than recorded numbers can have.
                (min, min.next_up().clamp(smallest, largest), max.clamp(smallest, largest))
            }
            Some((min, max)) => return Err(RecorderError::Range { min, max }),
        };
        let offset = mapping.index(first);
        let buckets = (mapping.index(last) - offset).max(0) as usize + 1;
        let cells = ShardedCells::new(buckets + 1 + Sum::CELLS, shards)?;
        let sum = Sum::new(buckets + 1);
        let exemplars = ExemplarPlaces::new(if with_exemplars { EXEMPLARS } else { 0 });
        Ok(ExponentialHistogramRecorder {
            cells,
            sum,
            mapping,
            scale,
            offset,
            buckets,
            zero_threshold,
            divisor,
            exemplars,
        })
    }
}

/// Buckets whose distance is a multiple of it share an exemplar: neighbours, which most values are in, do not.
const EXEMPLARS: usize = 16;

//! Points of histograms with exponential buckets.

use spanwise_wire::Attribute;

use super::exemplar::Exemplar;
use super::histogram::saturating_sum;

/// A point of a histogram with exponential buckets: OTLP's `ExponentialHistogramDataPoint`.
///
/// The bucket with the index i has the values in (bⁱ, bⁱ⁺¹] with b = 2^(2^−scale) (specification, *ExponentialHistogram*). Values are
/// not negative: durations and sizes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExponentialHistogramPoint {
    /// Attributes, unique in the metric.
    pub attributes: Vec<Attribute>,
    /// The number of buckets in each power of two, as a power of two: 0 has one, 3 has eight.
    pub scale: i32,
    /// The number of values up to `zero_threshold`.
    pub zero_count: u64,
    /// The largest value that counts as zero.
    pub zero_threshold: f64,
    /// The buckets of the other values.
    pub positive: ExponentialBuckets,
    /// The sum of the values.
    pub sum: f64,
    /// Observations with their spans.
    pub exemplars: Vec<Exemplar>,
}

/// Adjacent buckets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExponentialBuckets {
    /// The index of the first bucket.
    pub offset: i32,
    /// The number of values in each bucket.
    pub counts: Vec<u64>,
}

impl ExponentialHistogramPoint {
    /// A point of these buckets without attributes.
    pub fn new(scale: i32, positive: ExponentialBuckets, sum: f64) -> Self {
        let (attributes, exemplars) = (Vec::new(), Vec::new());
        Self { attributes, scale, zero_count: 0, zero_threshold: 0.0, positive, sum, exemplars }
    }

    /// The same with these attributes in place of those it had.
    #[must_use]
    pub fn with_attributes(mut self, attributes: impl Into<Vec<Attribute>>) -> Self {
        self.attributes = attributes.into();
        self
    }

    /// The same with values that count as zero: their number, and the largest of them.
    #[must_use]
    pub fn with_zeros(mut self, count: u64, threshold: f64) -> Self {
        (self.zero_count, self.zero_threshold) = (count, threshold);
        self
    }

    /// The number of values.
    pub fn count(&self) -> u64 {
        saturating_sum(self.positive.counts.iter().chain([&self.zero_count]))
    }

    /// Lowers the scale to at most `scale`: each step joins two neighbouring buckets.
    pub fn downscale_to(&mut self, scale: i32) {
        if scale < self.scale {
            // A shift of 31 leaves the indices −1 and 0 alone.
            let by = self.scale.saturating_sub(scale).min(31) as u32;
            self.positive = self.positive.downscaled(by);
            self.scale -= by as i32;
        }
    }

    /// Lowers the scale until there are at most `buckets` buckets (at least 2), without those at both ends that are empty.
    pub fn downscale_until(&mut self, buckets: usize) {
        self.positive.trim();
        while self.positive.counts.len() > buckets.max(2) {
            self.downscale_to(self.scale - 1);
        }
    }

    /// The upper bound of the bucket with this index.
    pub fn upper_bound(&self, index: i32) -> f64 {
        (f64::from(index.saturating_add(1)) * f64::from(-self.scale).exp2()).exp2()
    }
}

impl ExponentialBuckets {
    /// Buckets from the index `offset` on.
    pub fn new(offset: i32, counts: impl Into<Vec<u64>>) -> Self {
        Self { offset, counts: counts.into() }
    }

    fn downscaled(&self, by: u32) -> Self {
        let offset = self.offset >> by;
        let index =
            |place: usize| ((i64::from(self.offset) + place as i64) >> by) - i64::from(offset);
        let mut counts: Vec<u64> = Vec::new();
        for (place, count) in self.counts.iter().enumerate() {
            let target = usize::try_from(index(place)).unwrap_or_default();
            if counts.len() <= target {
                counts.resize(target + 1, 0);
            }
            if let Some(sum) = counts.get_mut(target) {
                *sum = sum.saturating_add(*count);
            }
        }
        Self { offset, counts }
    }

    /// Removes empty buckets at both ends.
    fn trim(&mut self) {
        let first = self.counts.iter().position(|count| *count > 0).unwrap_or(self.counts.len());
        let end = self.counts.iter().rposition(|count| *count > 0).map_or(first, |last| last + 1);
        self.counts.truncate(end);
        self.counts.drain(..first);
        let first = i32::try_from(first).unwrap_or(i32::MAX);
        self.offset = if self.counts.is_empty() { 0 } else { self.offset.saturating_add(first) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramPoint {
        ExponentialHistogramPoint::new(scale, ExponentialBuckets::new(offset, counts), 0.0)
    }

    #[test]
    fn a_lower_scale_joins_pairs_whose_first_index_is_even() {
        let check = |offset, counts: &[u64], expected: (i32, &[u64])| {
            let mut point = point(3, offset, counts);
            point.downscale_to(2);
            assert_eq!((point.positive.offset, point.positive.counts.as_slice()), expected);
            assert_eq!((point.scale, point.count()), (2, counts.iter().sum()));
        };
        check(0, &[1, 2, 3], (0, &[3, 3]));
        check(1, &[1, 2, 3], (0, &[1, 5]));
        check(-1, &[1, 2, 3], (-1, &[1, 5]));
        check(-2, &[1, 2, 3], (-1, &[3, 3]));
        check(-3, &[1, 2, 3], (-2, &[1, 5]));
    }

    #[test]
    fn the_scale_falls_until_the_buckets_are_few() {
        let mut wide = point(5, -700, &[1; 1_400]);
        wide.downscale_until(160);
        assert!((80..=160).contains(&wide.positive.counts.len()), "{wide:?}");
        assert_eq!((wide.count(), wide.scale), (1_400, 1));
        let mut empty = point(3, 9, &[0, 0]);
        empty.downscale_until(160);
        assert_eq!(empty.positive, ExponentialBuckets::default());
        let mut ends = point(20, i32::MIN, &[1, 0]);
        ends.downscale_to(i32::MIN);
        assert_eq!((ends.count(), ends.scale), (1, -11));
    }

    #[test]
    fn bounds_are_powers_of_the_base() {
        assert_eq!(point(0, 0, &[]).upper_bound(-1), 1.0);
        assert_eq!(point(0, 0, &[]).upper_bound(3), 16.0);
        assert_eq!(point(1, 0, &[]).upper_bound(0), 2.0_f64.sqrt());
        assert_eq!(point(-1, 0, &[]).upper_bound(0), 4.0);
    }
}

//! Histograms of whole numbers.

use std::fmt;

/// A histogram with explicit bounds, cumulative since the sampler was built.
#[derive(Clone, Copy)]
pub struct TailHistogram {
    bounds: &'static [u64],
    counts: [u64; MAX_BUCKETS],
    sum: u64,
    /// The value that was recorded last, and its bucket: neighbouring values are mostly equal.
    last: (u64, usize),
}

impl TailHistogram {
    /// An empty histogram of at most 23 bounds, in ascending order.
    pub(crate) const fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: [0; MAX_BUCKETS], sum: 0, last: (0, 0) }
    }

    /// The upper bounds of all buckets but the last; a value that equals a bound is in its bucket.
    pub fn bounds(&self) -> &'static [u64] {
        self.bounds
    }

    /// The number of values in each bucket: one more than there are bounds. The numbers are not added up as Prometheus' are.
    pub fn bucket_counts(&self) -> &[u64] {
        self.counts.get(..=self.bounds.len()).unwrap_or_default()
    }

    /// The number of values.
    pub fn count(&self) -> u64 {
        self.bucket_counts().iter().sum()
    }

    /// The sum of the values.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    #[inline]
    pub(crate) fn record(&mut self, value: u64) {
        if value != self.last.0 {
            let bucket = self.bounds.iter().take_while(|bound| **bound < value).count();
            self.last = (value, bucket);
        }
        if let Some(count) = self.counts.get_mut(self.last.1) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(value);
    }

    /// Adds the values of a histogram with the same bounds.
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

impl PartialEq for TailHistogram {
    fn eq(&self, other: &Self) -> bool {
        (self.bounds, self.counts, self.sum) == (other.bounds, other.counts, other.sum)
    }
}

impl Eq for TailHistogram {}

impl fmt::Debug for TailHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailHistogram")
            .field("bounds", &self.bounds)
            .field("bucket_counts", &self.bucket_counts())
            .field("sum", &self.sum)
            .finish()
    }
}

/// One more than the bounds of the Collector's longest list.
const MAX_BUCKETS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_whose_bound_is_not_below_it() {
        let mut histogram = TailHistogram::new(&[0, 5, 10]);
        for value in [0, 1, 5, 6, 10, 11, u64::MAX] {
            histogram.record(value);
        }
        assert_eq!(histogram.bucket_counts(), [1, 2, 2, 2]);
        assert_eq!((histogram.count(), histogram.sum()), (7, u64::MAX));
        // Equal ones have the same values, in whatever order they came.
        let histogram_of = |values: [u64; 2]| {
            let mut histogram = TailHistogram::new(&[0, 5, 10]);
            values.iter().for_each(|value| histogram.record(*value));
            histogram
        };
        assert_eq!(histogram_of([1, 7]), histogram_of([7, 1]));
        assert_ne!(histogram_of([1, 7]), histogram_of([1, 8]));
        let mut sum = TailHistogram::new(&[0, 5, 10]);
        sum.record(7);
        sum.add(&histogram);
        assert_eq!((sum.bucket_counts(), sum.count()), ([1, 2, 3, 2].as_slice(), 8));
    }
}

//! Histograms of whole numbers.

use spanwise_metrics::HistogramPoint;

/// A histogram with explicit bounds that one thread records, cumulative since the sampler was built.
#[derive(Clone, Copy)]
pub(crate) struct WholeHistogram {
    bounds: &'static [u64],
    counts: [u64; MAX_BUCKETS],
    sum: u64,
    /// The value that was recorded last, and its bucket: neighbouring values are mostly equal.
    last: (u64, usize),
}

impl WholeHistogram {
    /// An empty histogram of at most 23 bounds, in ascending order.
    pub(crate) const fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: [0; MAX_BUCKETS], sum: 0, last: (0, 0) }
    }

    /// The point with its values, without attributes.
    pub(crate) fn point(&self) -> HistogramPoint {
        let bounds: Vec<f64> = self.bounds.iter().map(|bound| *bound as f64).collect();
        HistogramPoint::new(bounds, self.bucket_counts(), self.sum as f64)
    }

    /// The number of values in each bucket: one more than there are bounds.
    fn bucket_counts(&self) -> &[u64] {
        self.counts.get(..=self.bounds.len()).unwrap_or_default()
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

/// One more than the bounds of the Collector's longest list.
const MAX_BUCKETS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_whose_bound_is_not_below_it() {
        let mut histogram = WholeHistogram::new(&[0, 5, 10]);
        for value in [0, 1, 5, 6, 10, 11, u64::MAX] {
            histogram.record(value);
        }
        assert_eq!(histogram.bucket_counts(), [1, 2, 2, 2]);
        assert_eq!(histogram.sum, u64::MAX);
        let mut sum = WholeHistogram::new(&[0, 5, 10]);
        sum.record(7);
        sum.add(&histogram);
        let point = sum.point();
        assert_eq!(
            (point.bounds(), point.bucket_counts()),
            ([0.0, 5.0, 10.0].as_slice(), [1, 2, 3, 2].as_slice())
        );
        assert_eq!((point.count(), point.sum()), (8, u64::MAX as f64));
    }
}

//! The buckets of an exponential histogram as explicit ones.

use crate::model::{ExponentialHistogramPoint, HistogramPoint};

/// The point with a bound at each power of two, or at fewer if its scale is below 0: neither text format has exponential buckets.
///
/// A bound does not depend on the present scale, so that rates of a bucket stay right when the scale changes.
pub(super) fn explicit(point: &ExponentialHistogramPoint) -> HistogramPoint {
    let mut point = point.clone();
    point.downscale_to(0);
    point.downscale_until(MAX_BUCKETS);
    let (mut bounds, mut counts) = (Vec::new(), Vec::new());
    if !point.positive.counts.is_empty() {
        // The bucket below the first: everything that counts as zero.
        bounds.push(point.upper_bound(point.positive.offset.saturating_sub(1)));
        counts.push(point.zero_count);
    }
    for (place, count) in point.positive.counts.iter().enumerate() {
        let place = i32::try_from(place).unwrap_or(i32::MAX);
        bounds.push(point.upper_bound(point.positive.offset.saturating_add(place)));
        counts.push(*count);
    }
    if bounds.is_empty() {
        counts.push(point.zero_count);
    }
    HistogramPoint::new(bounds, counts, point.sum)
        .with_attributes(point.attributes)
        .with_exemplars(point.exemplars)
}

/// The most buckets: the powers of two from a nanosecond to 136 years are 62.
const MAX_BUCKETS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ExponentialBuckets;

    #[test]
    fn bounds_are_powers_of_two() {
        let buckets = ExponentialBuckets::new(6, [1, 1, 1, 1]);
        let point = ExponentialHistogramPoint::new(2, buckets, 9.0).with_zeros(5, 0.0);
        let explicit_point = explicit(&point);
        assert_eq!(explicit_point.bounds(), [2.0, 4.0, 8.0]);
        assert_eq!(explicit_point.bucket_counts(), [5, 2, 2, 0]);
        let zeros = ExponentialHistogramPoint::new(2, ExponentialBuckets::default(), 0.0);
        assert_eq!(explicit(&zeros.with_zeros(5, 0.0)).bucket_counts(), [5]);
    }
}

//! Points of histograms with explicit buckets.

use std::borrow::Cow;

use spanwise_wire::Attribute;

use super::exemplar::Exemplar;

/// A point of a histogram with explicit buckets: OTLP's `HistogramDataPoint`.
///
/// The fields are private, because there is one more bucket than bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramPoint {
    attributes: Vec<Attribute>,
    bounds: Cow<'static, [f64]>,
    bucket_counts: Vec<u64>,
    sum: f64,
    exemplars: Vec<Exemplar>,
}

impl HistogramPoint {
    /// A point with these upper bounds, the numbers of values in each bucket, and the sum of the values.
    ///
    /// Bounds from the first that is not finite or not above its predecessor are left out. Counts beyond the last bucket are added to
    /// it; missing ones are 0.
    pub fn new(
        bounds: impl Into<Cow<'static, [f64]>>,
        bucket_counts: impl Into<Vec<u64>>,
        sum: f64,
    ) -> Self {
        let (mut bounds, mut bucket_counts) = (bounds.into(), bucket_counts.into());
        let valid = ascending(&bounds);
        if valid < bounds.len() {
            bounds.to_mut().truncate(valid);
        }
        let buckets = valid + 1;
        let beyond = saturating_sum(bucket_counts.iter().skip(buckets));
        bucket_counts.resize(buckets, 0);
        if let Some(last) = bucket_counts.last_mut() {
            *last = last.saturating_add(beyond);
        }
        Self { attributes: Vec::new(), bounds, bucket_counts, sum, exemplars: Vec::new() }
    }

    /// The same with these attributes in place of those it had.
    #[must_use]
    pub fn with_attributes(mut self, attributes: impl Into<Vec<Attribute>>) -> Self {
        self.attributes = attributes.into();
        self
    }

    /// The same with these exemplars in place of those it had.
    #[must_use]
    pub fn with_exemplars(mut self, exemplars: impl Into<Vec<Exemplar>>) -> Self {
        self.exemplars = exemplars.into();
        self
    }

    /// Attributes, unique in the metric.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The upper bounds of all buckets but the last, in ascending order; a value that equals a bound is in its bucket.
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// The number of values in each bucket, one more than there are bounds. They are not added up as Prometheus' are.
    pub fn bucket_counts(&self) -> &[u64] {
        &self.bucket_counts
    }

    /// The number of values.
    pub fn count(&self) -> u64 {
        saturating_sum(&self.bucket_counts)
    }

    /// The sum of the values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Observations with their spans.
    pub fn exemplars(&self) -> &[Exemplar] {
        &self.exemplars
    }
}

/// The sum of counts, which a caller may have made up.
pub(crate) fn saturating_sum<'a>(counts: impl IntoIterator<Item = &'a u64>) -> u64 {
    counts.into_iter().fold(0, |sum: u64, count| sum.saturating_add(*count))
}

/// The number of bounds in front of the first that is not finite or not above its predecessor.
pub(crate) fn ascending(bounds: &[f64]) -> usize {
    let mut last = f64::NEG_INFINITY;
    let is_valid = |bound: &&f64| {
        let valid = bound.is_finite() && **bound > last;
        last = **bound;
        valid
    };
    bounds.iter().take_while(is_valid).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_more_bucket_than_valid_bounds() {
        let check = |bounds: &'static [f64], counts: &[u64], expected: (&[f64], &[u64])| {
            let point = HistogramPoint::new(bounds, counts, 0.0);
            assert_eq!((point.bounds(), point.bucket_counts()), expected);
        };
        check(&[1.0, 2.0], &[1, 2, 3], (&[1.0, 2.0], &[1, 2, 3]));
        check(&[1.0, 2.0], &[1], (&[1.0, 2.0], &[1, 0, 0]));
        check(&[1.0, 1.0, 3.0], &[1, 2, 3, 4], (&[1.0], &[1, 9]));
        check(&[1.0, f64::INFINITY], &[1, 2], (&[1.0], &[1, 2]));
        check(&[f64::NAN], &[], (&[], &[0]));
    }
}

//! Histograms with their quantiles.

use crate::json::Json;
use spanwise_metrics::HistogramPoint;

/// Writes a histogram, or null.
pub(super) fn write(json: &mut Json, histogram: Option<&HistogramPoint>) {
    let Some(histogram) = histogram else { return json.null() };
    json.object(|json| {
        json.key("count").integer(histogram.count());
        json.key("sum_seconds").number(histogram.sum());
        json.key("p50_seconds").number(quantile(histogram, 0.5));
        json.key("p99_seconds").number(quantile(histogram, 0.99));
        json.key("bounds_seconds")
            .array(|json| histogram.bounds().iter().for_each(|bound| json.number(*bound)));
        json.key("bucket_counts")
            .array(|json| histogram.bucket_counts().iter().for_each(|count| json.integer(*count)));
    });
}

/// The quantile `q`, as `histogram_quantile` of Prometheus estimates it: linear within a bucket, and the last bound beyond it. `None`
/// without values.
fn quantile(histogram: &HistogramPoint, q: f64) -> Option<f64> {
    let rank = q * histogram.count() as f64;
    let (mut below, mut lower) = (0.0, 0.0);
    for (bound, count) in histogram.bounds().iter().zip(histogram.bucket_counts()) {
        let count = *count as f64;
        if count > 0.0 && below + count >= rank {
            return Some(lower + (bound - lower) * ((rank - below) / count));
        }
        below += count;
        lower = *bound;
    }
    (histogram.count() > 0).then_some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_within_a_bucket_and_end_at_the_last_bound() {
        let of = |counts: &[u64], q| {
            quantile(&HistogramPoint::new(vec![1.0, 3.0], counts.to_vec(), 0.0), q)
        };
        assert_eq!(of(&[0, 0, 0], 0.5), None);
        assert_eq!(of(&[10, 0, 0], 0.5), Some(0.5));
        assert_eq!(of(&[0, 10, 0], 0.5), Some(2.0));
        assert_eq!(of(&[5, 5, 0], 0.5), Some(1.0));
        assert_eq!(of(&[5, 5, 0], 0.75), Some(2.0));
        assert_eq!(of(&[1, 0, 9], 0.99), Some(3.0));
    }
}

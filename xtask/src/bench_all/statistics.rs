//! Medians and quartiles of samples.

/// The middle sample, or the mean of the two in the middle; `None` without samples.
pub(super) fn median(samples: &[f64]) -> Option<f64> {
    quantile(samples, 0.5)
}

/// The interquartile range over the median: half of the samples lie in a band of that width. A quarter
/// of the samples on either side may be as wrong as they like without moving it.
pub(super) fn spread(samples: &[f64]) -> Option<f64> {
    let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| quantile(samples, share));
    let (low, middle, high) = (low?, middle?, high?);
    (middle > 0.0).then(|| (high - low) / middle)
}

/// The sample below which `share` of the others lie, interpolated between two neighbours.
fn quantile(samples: &[f64], share: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(at.floor() as usize)?, sorted.get(at.ceil() as usize)?);
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn the_spread_is_the_width_of_the_middle_half() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[7.0]), Some(0.0));
        // Quartiles 9 and 11 around 10.
        assert_eq!(spread(&[11.0, 8.0, 10.0, 12.0, 9.0]), Some(0.2));
        assert_eq!(spread(&[0.0, 0.0]), None);
    }

    #[test]
    fn a_few_wild_samples_do_not_move_the_spread() {
        let calm = spread(&[9.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 11.0, 11.0]);
        let wild = spread(&[9.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 900.0, 900.0]);
        assert_eq!((calm, wild), (Some(0.0), Some(0.0)));
    }
}

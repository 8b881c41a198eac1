//! Thresholds of keys by their rates.

use spanwise_sampling::{Threshold, max_min_shares};

/// The rate of the spans of one key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Offered {
    /// Spans per second that arrive.
    pub(crate) rate: f64,
    /// The spans that each of them represents, by the thresholds with which they arrive; at least 1.
    pub(crate) adjusted_count: f64,
}

/// The threshold of each key such that all together sample `goal` spans per second, shared by max-min fairness.
pub(crate) fn thresholds(offered: &[Offered], goal: f64) -> Vec<Threshold> {
    let rates: Vec<f64> = offered.iter().map(|offered| offered.rate).collect();
    let shares = max_min_shares(&rates, goal);
    let threshold = |(offered, share): (&Offered, f64)| {
        if share >= offered.rate {
            return Threshold::KEEP_ALL;
        }
        // The threshold replaces the one with which a span arrived: it is compared with the randomness of all spans before that one.
        let probability = share / (offered.rate * offered.adjusted_count.max(1.0));
        match Threshold::from_probability(probability.min(1.0)) {
            Ok(Some(threshold)) => threshold,
            _ => Threshold::nearest(probability),
        }
    };
    offered.iter().zip(shares).map(threshold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_keys_are_sampled_whole_and_frequent_ones_share_the_rest() {
        let offered = |rate| Offered { rate, adjusted_count: 1.0 };
        let probabilities = |rates: &[f64], goal| -> Vec<f64> {
            let offered: Vec<Offered> = rates.iter().copied().map(offered).collect();
            thresholds(&offered, goal).into_iter().map(Threshold::probability).collect()
        };
        for (rates, goal, expected) in [
            (&[5.0, 10.0, 100.0][..], 30.0, &[1.0, 1.0, 0.15][..]),
            (&[100.0, 100.0], 100.0, &[0.5, 0.5]),
            (&[1.0, 2.0], 30.0, &[1.0, 1.0]),
            (&[0.0, 1_000.0], 10.0, &[1.0, 0.01]),
        ] {
            for (probability, expected) in probabilities(rates, goal).iter().zip(expected) {
                assert!((probability / expected - 1.0).abs() < 1e-3, "{rates:?}: {probability}");
            }
        }
        // Half of the spans were sampled before: the threshold is that of a quarter of all.
        let halved = Offered { rate: 100.0, adjusted_count: 2.0 };
        assert_eq!(thresholds(&[halved], 50.0), [Threshold::parse("c").unwrap()]);
    }
}

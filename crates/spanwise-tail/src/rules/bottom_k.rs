//! A budget for the traces of one decision, with the threshold that keeps adjusted counts unbiased.

use spanwise_sampling::{Randomness, Threshold};

/// A trace with its randomness and its number of spans.
pub(crate) trait Ranked {
    fn randomness(&self) -> Randomness;

    fn spans(&self) -> u64;
}

/// Sorts `traces` by falling randomness and returns the threshold that keeps as many from the first on as have at most `budget` spans
/// together; `None` if it keeps none.
///
/// The threshold is one above the highest randomness that is not sampled. It does not depend on the randomness of a trace that is sampled, so
/// that each sampled trace represents 1 / probability traces in the mean. The lowest randomness that is sampled would overestimate k traces as
/// k / (k − 1).
pub(crate) fn bottom_k<T: Ranked>(traces: &mut [T], budget: u64) -> Option<Threshold> {
    traces.sort_by_key(|trace| std::cmp::Reverse(trace.randomness()));
    let mut rest = budget;
    for trace in traces.iter() {
        match rest.checked_sub(trace.spans()) {
            Some(after) => rest = after,
            // 2⁵⁶ is no threshold: no trace has more randomness.
            None => return Threshold::new(trace.randomness().value() + 1),
        }
    }
    Some(Threshold::KEEP_ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Trace(u64, u64);

    impl Ranked for Trace {
        fn randomness(&self) -> Randomness {
            Randomness::of_number(self.0)
        }

        fn spans(&self) -> u64 {
            self.1
        }
    }

    fn threshold(traces: &[Trace], budget: u64) -> Option<u64> {
        bottom_k(&mut traces.to_vec(), budget).map(Threshold::value)
    }

    #[test]
    fn the_threshold_is_one_above_the_highest_that_is_not_sampled() {
        let traces = [Trace(50, 2), Trace(90, 3), Trace(10, 1), Trace(70, 4)];
        assert_eq!(threshold(&traces, 10), Some(0));
        assert_eq!(threshold(&traces, 9), Some(11));
        assert_eq!(threshold(&traces, 8), Some(51));
        // A smaller trace behind one that exceeds the budget is not sampled.
        assert_eq!(threshold(&traces, 4), Some(71));
        assert_eq!(threshold(&traces, 2), Some(91));
        assert_eq!(threshold(&[], 0), Some(0));
        assert_eq!(threshold(&[Trace((1 << 56) - 1, 1)], 0), None);
        // Of equal ones, all or none are sampled.
        assert_eq!(threshold(&[Trace(5, 1), Trace(5, 1), Trace(9, 1)], 2), Some(6));
        assert_eq!(threshold(&[Trace(5, u64::MAX), Trace(6, u64::MAX)], u64::MAX), Some(6));
    }

    /// SplitMix64.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The estimate of the number of traces and of their spans, each divided by the truth; the mean of `rounds`, and the standard error
    /// of the first.
    fn estimates(k: u64, sizes: impl Fn(u64) -> u64, rounds: u32) -> (f64, f64, f64) {
        let mut state = 7 + k;
        let (mut sum, mut squares, mut span_sum) = (0.0, 0.0, 0.0);
        for _ in 0..rounds {
            let mut traces: Vec<Trace> =
                (0..10 * k).map(|index| Trace(random(&mut state) >> 8, sizes(index))).collect();
            let mean_size =
                traces.iter().map(|trace| trace.1).sum::<u64>() as f64 / (10 * k) as f64;
            let budget = (k as f64 * mean_size) as u64;
            let threshold = bottom_k(&mut traces, budget);
            let sampled = traces.iter().filter(|trace| {
                threshold.is_some_and(|threshold| threshold.keeps(trace.randomness()))
            });
            let (count, spans) = sampled.fold((0.0, 0.0), |(count, spans), trace| {
                let weight = threshold.map_or(0.0, Threshold::adjusted_count);
                (count + weight, spans + weight * trace.1 as f64)
            });
            let ratio = count / (10 * k) as f64;
            sum += ratio;
            squares += ratio * ratio;
            span_sum += spans / (10.0 * k as f64 * mean_size);
        }
        let rounds = f64::from(rounds);
        let mean = sum / rounds;
        (mean, ((squares / rounds - mean * mean) / rounds).sqrt(), span_sum / rounds)
    }

    #[test]
    fn adjusted_counts_are_unbiased() {
        for (k, rounds) in [(5, 20_000), (20, 8_000), (100, 2_000)] {
            for sizes in [(|_| 1) as fn(u64) -> u64, |index| 1 + index % 7] {
                let (mean, error, span_mean) = estimates(k, sizes, rounds);
                // Four standard errors: the seeds are fixed, so that the test never fails by accident.
                assert!((mean - 1.0).abs() < 4.0 * error, "k = {k}: {mean} ± {error}");
                assert!((span_mean - 1.0).abs() < 6.0 * error, "k = {k}: {span_mean} ± {error}");
                // The bias of the lowest sampled randomness, k / (k − 1), would be found.
                assert!(4.0 * error < 1.0 / (k - 1) as f64, "k = {k}: {error}");
            }
        }
    }
}

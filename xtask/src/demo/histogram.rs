//! Durations counted in buckets of one part in 32, from a nanosecond to minutes.

/// A log-linear histogram. Recording is two shifts and an add.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; (64 - SUB_BITS as usize + 1) << SUB_BITS], total: 0, max: 0 }
    }

    pub(super) fn record(&mut self, nanos: u64) {
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// The value that `share` (0 to 1) of all are not above; the upper end of its bucket.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let rank = (share * self.total as f64).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return upper(index).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    let exponent = (63 - (value | 1).leading_zeros()).saturating_sub(SUB_BITS);
    ((exponent as usize) << SUB_BITS) + (value >> exponent) as usize
}

fn upper(bucket: usize) -> u64 {
    let exponent = (bucket >> SUB_BITS).saturating_sub(1);
    let mantissa = (bucket - (exponent << SUB_BITS)) as u64;
    ((mantissa + 1) << exponent) - 1
}

const SUB_BITS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_their_values() {
        let mut last = 0;
        for value in (0..100_000).chain([1 << 30, (1 << 40) + 12_345, u64::MAX >> 8]) {
            let index = bucket(value);
            assert!(index >= last, "{value}");
            last = index;
            assert!(value <= upper(index), "{value}");
            assert!(upper(index) - value <= value / 32 + 1, "{value}");
        }
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|nanos| histogram.record(nanos));
        assert!((500..=516).contains(&histogram.quantile(0.5)));
        assert!((990..=1000).contains(&histogram.quantile(0.99)));
        assert_eq!(histogram.quantile(1.0), 1000);
    }
}

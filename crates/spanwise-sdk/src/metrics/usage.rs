//! The use of CPU and memory over the last second, measured by the exporter's thread.

use spanwise_metrics::HistogramPoint;
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The gauges of the last second. The exporter's thread writes them, any thread reads them.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    sdk_cpu_percent: AtomicU64,
    exporter_cpu_percent: AtomicU64,
    allocated_bytes_per_second: AtomicU64,
}

/// The values of [`Usage`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct UsageRates {
    /// Percent of a core: of the exporter's thread, and of the creation of spans.
    pub(crate) sdk_cpu_percent: f64,
    /// Percent of a core.
    pub(crate) exporter_cpu_percent: f64,
    /// Bytes that no pool had.
    pub(crate) allocated_bytes_per_second: f64,
}

/// The totals that rates are made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// CPU time of the exporter's thread.
    pub(crate) cpu: Duration,
    pub(crate) created: u64,
    /// The creations that were timed.
    pub(crate) timed: Option<HistogramPoint>,
    pub(crate) allocated_bytes: u64,
}

/// Measures [`Usage`], once a second.
#[derive(Debug)]
pub(crate) struct UsageMeter {
    last: Option<(Instant, Totals)>,
    next: Instant,
}

impl Usage {
    pub(crate) fn rates(&self) -> UsageRates {
        let load = |bits: &AtomicU64| f64::from_bits(bits.load(Relaxed));
        UsageRates {
            sdk_cpu_percent: load(&self.sdk_cpu_percent),
            exporter_cpu_percent: load(&self.exporter_cpu_percent),
            allocated_bytes_per_second: load(&self.allocated_bytes_per_second),
        }
    }

    pub(crate) fn set(&self, rates: UsageRates) {
        for (bits, rate) in [
            (&self.sdk_cpu_percent, rates.sdk_cpu_percent),
            (&self.exporter_cpu_percent, rates.exporter_cpu_percent),
            (&self.allocated_bytes_per_second, rates.allocated_bytes_per_second),
        ] {
            bits.store(rate.to_bits(), Relaxed);
        }
    }
}

impl UsageMeter {
    pub(crate) fn new(now: Instant) -> Self {
        Self { last: None, next: now }
    }

    /// Whether a second has passed.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Publishes the rates since the last call. The exporter's thread calls it, when it [is due](Self::is_due).
    pub(crate) fn measure(&mut self, now: Instant, totals: Totals, usage: &Usage) {
        self.next = now + WINDOW;
        if let Some((then, before)) = &self.last {
            usage.set(rates(now.saturating_duration_since(*then), before, &totals));
        }
        self.last = Some((now, totals));
    }
}

/// The rates of `passed` time between two readings.
fn rates(passed: Duration, before: &Totals, now: &Totals) -> UsageRates {
    let seconds = passed.as_secs_f64().max(f64::MIN_POSITIVE);
    let cpu = now.cpu.saturating_sub(before.cpu).as_secs_f64();
    let created = now.created.saturating_sub(before.created) as f64;
    let creation = typical_creation(before.timed.as_ref(), now.timed.as_ref());
    let allocated = now.allocated_bytes.saturating_sub(before.allocated_bytes) as f64;
    UsageRates {
        sdk_cpu_percent: 100.0 * (cpu + created * creation) / seconds,
        exporter_cpu_percent: 100.0 * cpu / seconds,
        allocated_bytes_per_second: allocated / seconds,
    }
}

/// The median of the creations that were timed in this second or, without one, of all before, in seconds. A mean would be that of the
/// few whose thread was preempted meanwhile.
fn typical_creation(before: Option<&HistogramPoint>, now: Option<&HistogramPoint>) -> f64 {
    let Some(now) = now else { return 0.0 };
    let earlier = before.map(HistogramPoint::bucket_counts).unwrap_or_default();
    let earlier = earlier.iter().chain(iter::repeat(&0));
    let counts = now.bucket_counts().iter();
    let second: Vec<u64> =
        counts.zip(earlier).map(|(now, before)| now.saturating_sub(*before)).collect();
    let median_of = |counts: &[u64]| median(counts, now.bounds());
    median_of(&second).or_else(|| median_of(now.bucket_counts())).unwrap_or(0.0)
}

/// The median of a histogram, on a line between the bounds of its bucket.
fn median(counts: &[u64], bounds: &[f64]) -> Option<f64> {
    let half = counts.iter().sum::<u64>() as f64 / 2.0;
    let mut below = 0.0;
    for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let count = *count as f64;
        if below + count >= half {
            let low =
                index.checked_sub(1).and_then(|index| bounds.get(index)).copied().unwrap_or(0.0);
            let high = bounds.get(index).copied().unwrap_or(low);
            return Some(low + (high - low) * (half - below) / count);
        }
        below += count;
    }
    None
}

/// The time between two readings.
const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(counts: [u64; 3]) -> Option<HistogramPoint> {
        Some(HistogramPoint::new(&[0.000_000_1, 0.000_000_3], counts, 0.0))
    }

    #[test]
    fn the_creation_of_spans_counts_with_the_median_of_those_that_were_timed() {
        let before = Totals {
            cpu: Duration::from_secs(1),
            created: 1_000,
            timed: timed([0, 0, 9]),
            allocated_bytes: 500,
        };
        let now = Totals {
            cpu: Duration::from_millis(1_200),
            created: 11_000,
            timed: timed([0, 10, 11]),
            allocated_bytes: 4_500,
        };
        let second = rates(Duration::from_secs(2), &before, &now);
        assert!((second.exporter_cpu_percent - 10.0).abs() < 1e-9, "{second:?}");
        // 10,000 spans of 220 ns each: six tenths of the way from 100 to 300 ns.
        assert!((second.sdk_cpu_percent - 10.11).abs() < 1e-6, "{second:?}");
        assert!((second.allocated_bytes_per_second - 2_000.0).abs() < 1e-9, "{second:?}");
        // Without a creation that was timed, that of all before: the last bucket has no end.
        let later = Totals { created: 21_000, ..now.clone() };
        let third = rates(Duration::from_secs(1), &now, &later);
        assert!((third.sdk_cpu_percent - 0.3).abs() < 1e-6, "{third:?}");
        let none = Totals { timed: None, ..later.clone() };
        assert_eq!(rates(Duration::from_secs(1), &later, &none), UsageRates::default());
        assert_eq!(rates(Duration::ZERO, &now, &now), UsageRates::default());
    }
}

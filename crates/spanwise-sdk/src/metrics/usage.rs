//! The use of CPU and memory over the last second, measured by the exporter's thread.

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
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    /// CPU time of the exporter's thread.
    pub(crate) cpu: Duration,
    pub(crate) created: u64,
    /// Creations that were timed, and their seconds.
    pub(crate) timed: (u64, f64),
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
        if let Some((then, before)) = self.last.replace((now, totals)) {
            usage.set(rates(now.saturating_duration_since(then), &before, &totals));
        }
    }
}

/// The rates of `passed` time between two readings.
fn rates(passed: Duration, before: &Totals, now: &Totals) -> UsageRates {
    let seconds = passed.as_secs_f64().max(f64::MIN_POSITIVE);
    let cpu = now.cpu.saturating_sub(before.cpu).as_secs_f64();
    let created = now.created.saturating_sub(before.created) as f64;
    let timed = |from: (u64, f64)| (now.timed.0.saturating_sub(from.0), now.timed.1 - from.1);
    // The mean of this second or, if it timed no creation, of all before.
    let mean = match (timed(before.timed), timed((0, 0.0))) {
        ((0, _), (0, _)) => 0.0,
        ((0, _), (count, sum)) | ((count, sum), _) => sum / count as f64,
    };
    let allocated = now.allocated_bytes.saturating_sub(before.allocated_bytes) as f64;
    UsageRates {
        sdk_cpu_percent: 100.0 * (cpu + created * mean) / seconds,
        exporter_cpu_percent: 100.0 * cpu / seconds,
        allocated_bytes_per_second: allocated / seconds,
    }
}

/// The time between two readings.
const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_creation_of_spans_counts_with_the_mean_of_those_that_were_timed() {
        let before = Totals {
            cpu: Duration::from_secs(1),
            created: 1_000,
            timed: (1, 1.0),
            allocated_bytes: 500,
        };
        let now = Totals {
            cpu: Duration::from_millis(1_200),
            created: 11_000,
            timed: (11, 1.000_005),
            allocated_bytes: 4_500,
        };
        let second = rates(Duration::from_secs(2), &before, &now);
        assert!((second.exporter_cpu_percent - 10.0).abs() < 1e-9, "{second:?}");
        // 10,000 spans of 500 ns each.
        assert!((second.sdk_cpu_percent - 10.25).abs() < 1e-6, "{second:?}");
        assert!((second.allocated_bytes_per_second - 2_000.0).abs() < 1e-9, "{second:?}");
        // Without a creation that was timed, that of all before.
        let later = Totals { created: 21_000, ..now };
        let third = rates(Duration::from_secs(1), &now, &later);
        assert!((third.sdk_cpu_percent - 100.0 * 10_000.0 * 1.000_005 / 11.0).abs() < 1e-3);
        assert_eq!(rates(Duration::ZERO, &now, &now), UsageRates::default());
    }
}

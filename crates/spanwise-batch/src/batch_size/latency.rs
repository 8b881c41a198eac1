//! The latency of requests, as a part for each request and a part for each byte.

use std::time::{Duration, Instant};

/// The latency of requests, under the better of two hypotheses: the receiver works on requests at once, or on
/// one after the other, so that a request also waits for the one before.
#[derive(Debug, Clone, Default)]
pub(super) struct LatencyModel {
    parallel: Fit,
    serial: Fit,
    last_ended: Option<Instant>,
}

/// An exponentially weighted least-squares fit of `latency = fixed + per_byte * bytes`.
#[derive(Debug, Clone, Default)]
struct Fit {
    weight: f64,
    /// Weighted sums of bytes, of latencies in seconds, of their products and squares.
    bytes: f64,
    seconds: f64,
    bytes_squared: f64,
    product: f64,
    seconds_squared: f64,
    /// The mean square of what the line does not explain, in seconds.
    error: f64,
    /// Seconds for each byte, once requests of several sizes have shown it.
    slope: Option<f64>,
    split: LatencySplit,
}

/// The two parts of a latency. Neither is negative.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LatencySplit {
    /// Seconds for each request, whatever its size.
    pub(super) fixed: f64,
    /// Seconds for each byte.
    pub(super) per_byte: f64,
}

impl LatencyModel {
    /// Takes a request that ended at `now`, in the order of their ends. `bytes` is `None` where the latency
    /// states nothing about the size.
    pub(super) fn observe(&mut self, now: Instant, bytes: Option<usize>, latency: Duration) {
        let since_last =
            self.last_ended.replace(now).map(|last| now.saturating_duration_since(last));
        let Some(bytes) = bytes else { return };
        self.parallel.observe(bytes, latency.as_secs_f64());
        let service = since_last.map_or(latency, |since_last| since_last.min(latency));
        self.serial.observe(bytes, service.as_secs_f64());
    }

    pub(super) fn split(&self) -> LatencySplit {
        self.better().split
    }

    /// Whether requests of several sizes have shown the part for each byte.
    pub(super) fn has_slope(&self) -> bool {
        self.better().slope.is_some()
    }

    fn better(&self) -> &Fit {
        if self.serial.error < self.parallel.error { &self.serial } else { &self.parallel }
    }
}

impl Fit {
    fn observe(&mut self, bytes: usize, seconds: f64) {
        let bytes = bytes as f64;
        for (sum, value) in [
            (&mut self.weight, 1.0),
            (&mut self.bytes, bytes),
            (&mut self.seconds, seconds),
            (&mut self.bytes_squared, bytes * bytes),
            (&mut self.product, bytes * seconds),
            (&mut self.seconds_squared, seconds * seconds),
        ] {
            *sum = *sum * RETAINED + value;
        }
        self.split = self.fit();
    }

    fn fit(&mut self) -> LatencySplit {
        let (bytes, seconds) = (self.bytes / self.weight, self.seconds / self.weight);
        let variance = self.bytes_squared / self.weight - bytes * bytes;
        let covariance = self.product / self.weight - bytes * seconds;
        let spread = (bytes * MIN_SPREAD).powi(2);
        let slope = if variance > spread {
            covariance / variance
        } else {
            // Requests of one size have no slope: the last known one stays. Before that, bytes take all of the
            // time: smaller requests follow, of which the truth emerges; larger ones the delay may prevent.
            self.slope.unwrap_or(f64::INFINITY)
        };
        if variance > spread {
            self.slope = Some(slope);
        }
        // A slope below 0 is noise, and one through the origin is the steepest that makes sense.
        let per_byte = slope.clamp(0.0, seconds / bytes.max(1.0));
        let square = self.seconds_squared / self.weight - seconds * seconds;
        self.error = square - 2.0 * per_byte * covariance + per_byte * per_byte * variance;
        LatencySplit { fixed: (seconds - per_byte * bytes).max(0.0), per_byte }
    }
}

/// The part of a weight that remains after each request: the last 32 or so count.
const RETAINED: f64 = 31.0 / 32.0;
/// The standard deviation of sizes, over their mean, from which a slope is known.
const MIN_SPREAD: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests that are served side by side take a second each, and end at irregular times.
    #[test]
    fn requests_side_by_side_have_their_whole_latency() {
        let mut model = LatencyModel::default();
        let start = Instant::now();
        for (index, after) in
            [3u64, 70, 410, 30, 290, 5, 640, 120, 80, 510].iter().cycle().take(40).enumerate()
        {
            let end =
                start + Duration::from_secs(index as u64) / 10 + Duration::from_millis(after / 8);
            model.observe(end, Some(1_000), Duration::from_secs(1));
        }
        let split = model.split();
        assert!((0.99..1.01).contains(&(split.fixed + split.per_byte * 1_000.0)), "{split:?}");
    }

    /// Each request waits for the one before, and sizes change slowly: its latency has the slope of both.
    #[test]
    fn requests_one_after_the_other_have_the_time_since_the_last_one() {
        let mut model = LatencyModel::default();
        let (mut now, mut before) = (Instant::now(), Duration::ZERO);
        for index in 0..160u32 {
            let bytes = if index / 8 % 2 == 0 { 1_000 } else { 2_000 };
            let service = Duration::from_micros(bytes);
            now += service;
            model.observe(now, Some(bytes as usize), service + before);
            before = service;
        }
        let per_byte = model.split().per_byte;
        assert!((0.9e-6..1.1e-6).contains(&per_byte), "{per_byte}");
    }
}

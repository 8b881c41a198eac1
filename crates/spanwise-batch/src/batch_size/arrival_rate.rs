//! The rate at which bytes arrive, from the backlog and from what left it.

use std::time::Instant;

/// An exponentially weighted mean of arrivals in bytes per second.
///
/// Arrivals are the growth of the backlog plus the bytes of requests that ended. Bytes in flight are in
/// neither, and count when their request ends: sums over a while are exact.
#[derive(Debug, Clone)]
pub(super) struct ArrivalRate {
    /// `None` before the first window has passed.
    mean: Option<f64>,
    /// The start of the window.
    since: Instant,
    /// Bytes that arrived since then. Negative when more went in flight.
    arrived: f64,
    backlog: u64,
}

impl ArrivalRate {
    pub(super) fn new(now: Instant) -> Self {
        Self { mean: None, since: now, arrived: 0.0, backlog: 0 }
    }

    /// Takes the backlog at `now`, and the bytes of a request that ended. A window ends early with `many`
    /// bytes.
    pub(super) fn observe(&mut self, now: Instant, backlog: u64, ended: usize, many: f64) {
        self.arrived += ended as f64 + backlog as f64 - self.backlog as f64;
        self.backlog = backlog;
        let elapsed = now.saturating_duration_since(self.since).as_secs_f64();
        let is_many = self.arrived >= many;
        let shortest = if is_many || self.mean.is_none() { SHORTEST } else { WINDOW };
        // A window ends with an arrival: one between two requests of a slow service would count as silence.
        let is_complete = elapsed >= shortest && self.arrived > 0.0;
        if !is_complete && elapsed < LONGEST {
            return;
        }
        let rate = self.arrived / elapsed;
        let mean = self.mean.unwrap_or(rate);
        // Near 1 - exp(-elapsed / MEMORY) for short windows, and below 1 for long ones. Many bytes are no noise.
        let is_burst = is_many && rate > 2.0 * mean;
        let weight = if is_burst { 0.5 } else { elapsed / (elapsed + MEMORY) };
        self.mean = Some(mean + (rate - mean) * weight);
        self.since = now;
        self.arrived = 0.0;
    }

    /// Bytes per second, 0 or more; `None` before anything is known.
    pub(super) fn bytes_per_second(&self) -> Option<f64> {
        self.mean.map(|mean| mean.max(0.0))
    }
}

/// Seconds of one measurement: with shorter ones, a single request would count as a flood.
const WINDOW: f64 = 0.25;
/// Seconds of the first measurement, and of one of many bytes.
const SHORTEST: f64 = 0.02;
/// Seconds without an arrival after which nothing arrives.
const LONGEST: f64 = 2.5;
/// Seconds for which a measurement counts.
const MEMORY: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn silence_ends_a_window_at_its_longest_time() {
        let start = Instant::now();
        let mut rate = ArrivalRate::new(start);
        let mut after = |seconds: f64, ended| {
            rate.observe(start + Duration::from_secs_f64(seconds), 0, ended, 1e9);
            rate.bytes_per_second()
        };
        assert_eq!(after(0.25, 1_000), Some(4_000.0));
        assert_eq!(after(2.7, 0), Some(4_000.0), "silence is not known yet");
        assert!(after(0.25 + LONGEST, 0).is_some_and(|rate| rate < 3_000.0));
    }
}

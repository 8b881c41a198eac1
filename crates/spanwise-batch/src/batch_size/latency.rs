//! The latency of requests, as a part for each request and a part for each byte.

/// An exponentially weighted least-squares fit of `latency = fixed + per_byte * bytes`.
#[derive(Debug, Clone, Default)]
pub(super) struct LatencyModel {
    weight: f64,
    /// Weighted sums of bytes, of latencies in seconds, and of their products.
    bytes: f64,
    seconds: f64,
    bytes_squared: f64,
    product: f64,
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
    /// Takes an accepted request.
    pub(super) fn observe(&mut self, bytes: usize, seconds: f64) {
        let bytes = bytes as f64;
        for (sum, value) in [
            (&mut self.weight, 1.0),
            (&mut self.bytes, bytes),
            (&mut self.seconds, seconds),
            (&mut self.bytes_squared, bytes * bytes),
            (&mut self.product, bytes * seconds),
        ] {
            *sum = *sum * RETAINED + value;
        }
        self.split = self.fit();
    }

    pub(super) fn split(&self) -> LatencySplit {
        self.split
    }

    /// Whether requests of several sizes have shown the part for each byte.
    pub(super) fn has_slope(&self) -> bool {
        self.slope.is_some()
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
        LatencySplit { fixed: (seconds - per_byte * bytes).max(0.0), per_byte }
    }
}

/// The part of a weight that remains after each request: the last 32 or so count.
const RETAINED: f64 = 31.0 / 32.0;
/// The standard deviation of sizes, over their mean, from which a slope is known.
const MIN_SPREAD: f64 = 0.2;

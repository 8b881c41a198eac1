//! A token bucket whose rate can be changed.

use crate::limiter::Limiter;
use crate::limits::RATE;
use std::sync::Arc;

/// A limiter and its rate. The burst is the permits of one second.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) per_second: f64,
    pub(crate) limiter: Arc<Limiter>,
}

impl Bucket {
    /// A full bucket. A rate out of range is clamped.
    pub(crate) fn new(per_second: f64) -> Self {
        let per_second = per_second.clamp(*RATE.start(), *RATE.end());
        Self { per_second, limiter: Arc::new(Limiter::new(per_second, per_second.max(1.0))) }
    }

    /// This bucket if it has that rate, else a bucket with that rate and the permits of this one.
    pub(crate) fn at(&self, per_second: f64) -> Self {
        let per_second = per_second.clamp(*RATE.start(), *RATE.end());
        if per_second == self.per_second {
            return self.clone();
        }
        let limiter = Limiter::after(&self.limiter, per_second, per_second.max(1.0));
        Self { per_second, limiter: Arc::new(limiter) }
    }
}

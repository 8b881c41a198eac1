//! A limiter whose rate is changed by making the next one.

use crate::limiter::Limiter;
use crate::limits::RATE;
use std::sync::Arc;

/// A limiter and its rate, with bursts of a second's worth.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) per_second: f64,
    pub(crate) limiter: Arc<Limiter>,
}

impl Bucket {
    /// A full one; a rate that no limiter keeps is taken as the nearest that one does.
    pub(crate) fn new(per_second: f64) -> Self {
        let per_second = per_second.clamp(*RATE.start(), *RATE.end());
        Self { per_second, limiter: Arc::new(Limiter::new(per_second, per_second.max(1.0))) }
    }

    /// The same bucket if that is its rate, else one that goes on with what this one holds.
    pub(crate) fn at(&self, per_second: f64) -> Self {
        let per_second = per_second.clamp(*RATE.start(), *RATE.end());
        if per_second == self.per_second {
            return self.clone();
        }
        let limiter = Limiter::after(&self.limiter, per_second, per_second.max(1.0));
        Self { per_second, limiter: Arc::new(limiter) }
    }
}

//! The state that all requests to an endpoint share: whether an attempt may be sent.

use std::time::{Duration, Instant};

use crate::CircuitBreaker;
use crate::circuit_breaker::Breaker;
use crate::throttle::Throttle;

/// Whether the requests to one destination may send: the throttle that the server requested, and the circuit
/// breaker. All [`RequestMachine`](super::sans_io::RequestMachine)s of a destination share one.
#[derive(Debug)]
pub struct Admission {
    pub(crate) throttle: Throttle,
    pub(crate) breaker: Breaker,
}

impl Admission {
    /// Admits each attempt at first. A server can stop attempts for at most `longest` by `Retry-After`, and so
    /// can the breaker; `None` is none.
    pub fn new(longest: Duration, breaker: impl Into<Option<CircuitBreaker>>) -> Self {
        Self { throttle: Throttle::new(longest), breaker: Breaker::new(breaker.into(), longest) }
    }

    /// The time until an attempt may be sent: the throttle and the open circuit breaker end.
    pub(crate) fn closed_for(&self, now: Instant) -> Duration {
        let end = self.throttle.ends(now).max(self.breaker.ends(now));
        end.map(|end| end.saturating_duration_since(now)).unwrap_or_default()
    }
}

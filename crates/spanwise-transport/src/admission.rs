//! The state that all requests to an endpoint share: whether an attempt may be sent.

use std::time::Duration;

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
}

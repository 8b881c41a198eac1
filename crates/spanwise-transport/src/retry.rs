//! Retry decisions, without a clock: elapsed time and random numbers are arguments.

use std::time::Duration;

use crate::{Failure, ResponseStatus};

/// The retry policy: exponential backoff up to a cap, with full jitter.
///
/// The wait after the n-th failure is drawn uniformly from 0 to `initial · factorⁿ⁻¹`, at most
/// `cap`; a longer wait that the server requests takes precedence.
///
/// [`TransportBuilder::build`](crate::TransportBuilder::build) checks the numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    pub(crate) initial: Duration,
    pub(crate) factor: f64,
    pub(crate) cap: Duration,
}

impl RetryPolicy {
    /// Upper bound of the first wait. Default 100 ms, at least 1 ms.
    pub fn with_initial(mut self, initial: Duration) -> Self {
        self.initial = initial;
        self
    }

    /// Growth per failure. Default 1.6, at least 1 and at most 10.
    pub fn with_factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Upper bound of all waits of our own. Default 5 s, at least 1 ms.
    pub fn with_cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { initial: Duration::from_millis(100), factor: 1.6, cap: Duration::from_secs(5) }
    }
}

/// The retry state of one request.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    policy: RetryPolicy,
    /// The timeout of the request, from its first attempt.
    allowed: Duration,
    /// Upper bound of the next wait of our own, in seconds.
    bound: f64,
}

impl Retry {
    pub(crate) fn new(policy: RetryPolicy, allowed: Duration) -> Self {
        Self { policy, allowed, bound: policy.initial.min(policy.cap).as_secs_f64() }
    }

    /// Decides the next step after a failed attempt that ended `elapsed` after the start.
    ///
    /// `throttle` is the wait that the server requested, `random` a uniform draw from all of `u64`.
    pub(crate) fn after(
        &mut self,
        elapsed: Duration,
        cause: Cause,
        throttle: Option<Duration>,
        random: u64,
    ) -> Step {
        let cap = self.policy.cap.as_secs_f64();
        if cause == Cause::Tls {
            // An operator replaces certificates, which takes longer than the first waits.
            self.bound = cap;
        }
        let own = Duration::try_from_secs_f64(self.bound * fraction(random)).unwrap_or_default();
        self.bound = (self.bound * self.policy.factor).min(cap);
        // At least our own wait: `Retry-After: 0` must not turn into a busy loop.
        let wait = throttle.map_or(own, |asked| asked.max(own));
        let remaining = self.allowed.saturating_sub(elapsed);
        // A wait that leaves no time for an attempt means failure: return it now.
        if wait < remaining { Step::Wait(wait) } else { Step::GiveUp(cause.failure()) }
    }
}

/// The step after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Wait(Duration),
    GiveUp(Failure),
}

/// The cause of a retryable failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The server responded with a retryable status.
    Answered(ResponseStatus),
    /// No byte of the request was sent.
    NotSent,
    /// Bytes were sent, and no complete response came.
    Ambiguous,
    /// No TLS session.
    Tls,
}

impl Cause {
    /// Whether the server may have accepted the attempt.
    pub(crate) fn is_ambiguous(self) -> bool {
        match self {
            Self::Ambiguous => true,
            Self::Answered(status) => status.is_inconclusive(),
            Self::NotSent | Self::Tls => false,
        }
    }

    pub(crate) fn failure(self) -> Failure {
        match self {
            Self::Answered(status) => Failure::RetryDeadline { last: Some(status) },
            Self::NotSent => Failure::RetryDeadline { last: None },
            Self::Ambiguous => Failure::AmbiguousTimeout,
            Self::Tls => Failure::Tls,
        }
    }
}

/// `random` as a fraction in [0, 1).
fn fraction(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const BUSY: Cause = Cause::Answered(ResponseStatus::Http(503));

    #[test]
    fn waits_grow_to_the_cap() {
        let mut retry = Retry::new(RetryPolicy::default(), MINUTE);
        let mut bounds = Vec::new();
        for _ in 0..12 {
            match retry.after(Duration::ZERO, BUSY, None, u64::MAX) {
                Step::Wait(wait) => bounds.push(wait.as_secs_f64()),
                Step::GiveUp(failure) => panic!("{failure}"),
            }
        }
        for (n, bound) in bounds.iter().enumerate() {
            let expected = (0.1 * 1.6f64.powi(n as i32)).min(5.0);
            assert!((bound - expected).abs() < 1e-6, "{n}: {bound} {expected}");
        }
    }

    #[test]
    fn the_wait_of_the_server_takes_precedence_if_there_is_time() {
        let asked = |seconds, elapsed| {
            Retry::new(RetryPolicy::default(), MINUTE).after(elapsed, BUSY, Some(seconds), 0)
        };
        let late = Step::GiveUp(Failure::RetryDeadline { last: Some(ResponseStatus::Http(503)) });
        assert_eq!(
            asked(Duration::from_secs(5), Duration::ZERO),
            Step::Wait(Duration::from_secs(5))
        );
        assert_eq!(asked(Duration::from_secs(5), Duration::from_secs(55)), late);
        assert_eq!(asked(Duration::from_secs(1_000_000_000), Duration::ZERO), late);
        assert_eq!(asked(Duration::MAX, Duration::ZERO), late);
        assert_eq!(asked(Duration::ZERO, MINUTE * 2), late);
    }

    #[test]
    fn a_zero_wait_from_the_server_is_no_busy_loop() {
        let mut retry = Retry::new(RetryPolicy::default(), MINUTE);
        let step = retry.after(Duration::ZERO, BUSY, Some(Duration::ZERO), 1 << 63);
        assert_eq!(step, Step::Wait(Duration::from_millis(50)));
    }

    #[test]
    fn a_tls_failure_waits_up_to_the_cap() {
        let mut retry = Retry::new(RetryPolicy::default(), MINUTE);
        let Step::Wait(wait) = retry.after(Duration::ZERO, Cause::Tls, None, u64::MAX) else {
            panic!("there is time")
        };
        assert!(wait > Duration::from_millis(4_999), "{wait:?}");
        assert_eq!(retry.after(MINUTE, Cause::Tls, None, 0), Step::GiveUp(Failure::Tls));
    }

    proptest! {
        #[test]
        fn no_wait_outlasts_the_time_left(
            initial in any::<Duration>(),
            factor in 1.0f64..=10.0,
            cap in any::<Duration>(),
            allowed in any::<Duration>(),
            events in prop::collection::vec(
                (any::<Duration>(), any::<Option<Duration>>(), any::<u64>()), 1..20),
        ) {
            let policy =
                RetryPolicy::default().with_initial(initial).with_factor(factor).with_cap(cap);
            let mut retry = Retry::new(policy, allowed);
            for (elapsed, throttle, random) in events {
                match retry.after(elapsed, Cause::Ambiguous, throttle, random) {
                    Step::Wait(wait) => {
                        prop_assert!(wait < allowed.saturating_sub(elapsed));
                        prop_assert!(throttle.is_none_or(|asked| wait >= asked));
                    }
                    Step::GiveUp(failure) => prop_assert_eq!(failure, Failure::AmbiguousTimeout),
                }
            }
        }
    }
}

//! A circuit breaker for all requests to an endpoint: closed, open, half-open. Time and random numbers are
//! arguments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_worker::__private::timer_deadline;
use spanwise_worker::deadline;

use crate::{BuildError, range};

/// The settings of a circuit breaker.
///
/// The breaker counts the failed attempts of all requests to an endpoint; each of several endpoints has its own. It
/// opens once [`failures`](Self::with_failures) of them have failed in a row: requests then go to another endpoint, or
/// wait instead of sending. After
/// [`open_time`](Self::with_open_time) one attempt is sent as a probe (half-open). Its success closes the breaker,
/// and the requests that wait go on at once; its failure opens the breaker for another such time.
///
/// An attempt fails for the breaker if it is retryable: without a connection, without a conclusive response, or
/// with a retryable status. A response that rejects a request for good shows that the receiver works. An attempt
/// that the deadline of its request cuts off does not count.
///
/// A request that waits has the deadline that it had, and fails with
/// [`RetryDeadline`](crate::Failure::RetryDeadline) then: the breaker loses nothing silently.
///
/// ```
/// use spanwise_transport::{CircuitBreaker, TransportBuilder};
/// use std::time::Duration;
///
/// let breaker = CircuitBreaker::default().with_open_time(Duration::from_secs(2));
/// let _builder = TransportBuilder::default().with_circuit_breaker(breaker);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitBreaker {
    pub(crate) failures: u32,
    pub(crate) open_time: Duration,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { failures: 5, open_time: Duration::from_secs(1) }
    }
}

impl CircuitBreaker {
    /// Failed attempts in a row that open the breaker. Default 5, 1 to 1,000.
    pub fn with_failures(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }

    /// The longest time until the next probe: the wait is drawn uniformly from its upper half, so that clients do not
    /// probe together. Default 1 s, at least 1 ms. No wait is longer than one that a server can request: see
    /// [`with_request_timeout`](crate::TransportBuilder::with_request_timeout).
    pub fn with_open_time(mut self, time: Duration) -> Self {
        self.open_time = time;
        self
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let failures = "CircuitBreaker::with_failures (the failed attempts of the circuit breaker)";
        range::number(failures, self.failures, 1..=1_000)?;
        let open_time = "CircuitBreaker::with_open_time (the open time of the circuit breaker)";
        range::time(open_time, self.open_time)
    }
}

/// The state of a circuit breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// `None`: there is no breaker.
    settings: Option<CircuitBreaker>,
    state: Mutex<State>,
    /// The number of the next probe.
    next: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Attempts are sent; this many have failed in a row.
    Closed(u32),
    /// No attempt before this instant.
    Open(Instant),
    /// A probe was sent at `since`. One that has not ended at `until` was lost.
    HalfOpen { probe: Probe, since: Instant, until: Instant },
}

/// The number of a probe: one that ends late, after the breaker has closed, is not mistaken for a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe(u64);

/// Whether an attempt may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    Attempt(Option<Probe>),
    WaitUntil(Instant),
}

/// The end of an attempt, for the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Healthy,
    Failed,
    /// The attempt had no time to end.
    Unknown,
}

impl Breaker {
    /// A closed breaker that is open for at most `longest` at a time.
    pub(crate) fn new(settings: Option<CircuitBreaker>, longest: Duration) -> Self {
        let clamp = |it: CircuitBreaker| it.with_open_time(it.open_time.min(longest));
        Self {
            settings: settings.map(clamp),
            state: Mutex::new(State::Closed(0)),
            next: AtomicU64::new(0),
        }
    }

    /// Asks to send an attempt that ends at `until` at the latest. `has_probed`: the last probe of its request
    /// failed, and other requests come first.
    pub(crate) fn permit(&self, now: Instant, until: Instant, has_probed: bool) -> Permit {
        if self.settings.is_none() {
            return Permit::Attempt(None);
        }
        let mut state = self.lock();
        let probe_at = match *state {
            State::Closed(_) => return Permit::Attempt(None),
            State::Open(end) if has_probed => end + PROBE_TURN,
            State::Open(end) => end,
            #[cfg(feature = "planted-bugs")]
            State::HalfOpen { .. } if planted(Bug::ManyProbes) => now,
            State::HalfOpen { until, .. } => until + PROBE_TURN,
        };
        if now < probe_at {
            return Permit::WaitUntil(probe_at);
        }
        // ORDER: Relaxed; the number has to be new and nothing else, and `state` is locked.
        let probe = Probe(self.next.fetch_add(1, Ordering::Relaxed));
        *state = State::HalfOpen { probe, since: now, until };
        Permit::Attempt(Some(probe))
    }

    /// The end of the open time, if the breaker is open at `now`.
    pub(crate) fn ends(&self, now: Instant) -> Option<Instant> {
        match *self.lock() {
            State::Open(end) if end > now => Some(end),
            State::Open(_) | State::Closed(_) | State::HalfOpen { .. } => None,
        }
    }

    /// An attempt ended at `now`. `random` is a uniform number from all of `u64`. Returns whether the breaker
    /// opened, and was closed before.
    pub(crate) fn attempt_ended(
        &self,
        now: Instant,
        probe: Option<Probe>,
        health: Health,
        random: u64,
    ) -> bool {
        let Some(settings) = self.settings else { return false };
        let mut state = self.lock();
        match (*state, health) {
            #[cfg(feature = "planted-bugs")]
            (State::HalfOpen { .. }, Health::Healthy) if planted(Bug::BreakerStaysOpen) => {}
            // An attempt that began before the breaker opened is as good as a probe.
            (_, Health::Healthy) => *state = State::Closed(0),
            (State::Closed(failed), Health::Failed) => {
                if failed + 1 >= settings.failures {
                    *state = State::Open(settings.open_until(now, random));
                    return true;
                }
                *state = State::Closed(failed + 1);
            }
            (State::HalfOpen { probe: known, .. }, Health::Failed) if probe == Some(known) => {
                *state = State::Open(settings.open_until(now, random));
            }
            (State::HalfOpen { probe: known, since, .. }, Health::Unknown)
                if probe == Some(known) =>
            {
                *state = State::Open(since);
            }
            (_, Health::Failed | Health::Unknown) => {}
        }
        false
    }

    /// The probe was cancelled: another request sends one.
    pub(crate) fn release(&self, probe: Probe) {
        let mut state = self.lock();
        if let State::HalfOpen { probe: known, since, .. } = *state
            && known == probe
        {
            *state = State::Open(since);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CircuitBreaker {
    fn open_until(&self, now: Instant, random: u64) -> Instant {
        let half = self.open_time / 2;
        let fraction = (random >> 32) as f64 / (1u64 << 32) as f64;
        let drawn =
            half + Duration::try_from_secs_f64(half.as_secs_f64() * fraction).unwrap_or(half);
        timer_deadline(deadline(now, drawn))
    }
}

/// The time for which a request whose probe failed leaves the next probe to others.
const PROBE_TURN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const ATTEMPT: Permit = Permit::Attempt(None);

    #[track_caller]
    fn probe(breaker: &Breaker, now: Instant) -> Option<Probe> {
        let permit = breaker.permit(now, now + SECOND, false);
        assert!(matches!(permit, Permit::Attempt(Some(_))), "{permit:?}");
        if let Permit::Attempt(probe) = permit { probe } else { None }
    }

    fn breaker() -> Breaker {
        let settings = CircuitBreaker::default().with_failures(3).with_open_time(4 * SECOND);
        Breaker::new(Some(settings), 60 * SECOND)
    }

    fn open(breaker: &Breaker, now: Instant) {
        for failed in 1..=3 {
            assert_eq!(breaker.permit(now, now + SECOND, false), ATTEMPT);
            assert_eq!(breaker.attempt_ended(now, None, Health::Failed, 0), failed == 3);
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_probe_closes_it() {
        let (breaker, start) = (breaker(), Instant::now());
        for _ in 0..2 {
            breaker.attempt_ended(start, None, Health::Failed, 0);
            breaker.attempt_ended(start, None, Health::Failed, 0);
            // In a row: this one begins the count again.
            breaker.attempt_ended(start, None, Health::Healthy, 0);
        }
        open(&breaker, start);
        let opens = start + 2 * SECOND;
        assert_eq!(breaker.permit(start, start + SECOND, false), Permit::WaitUntil(opens));
        let first = probe(&breaker, opens);
        let lost = Permit::WaitUntil(opens + SECOND + PROBE_TURN);
        assert_eq!(breaker.permit(opens, opens + SECOND, false), lost);
        assert!(!breaker.attempt_ended(opens, first, Health::Healthy, 0));
        assert_eq!(breaker.permit(opens, opens + SECOND, false), ATTEMPT);
    }

    #[test]
    fn a_failed_probe_opens_it_again_and_the_next_one_is_another_request_s() {
        let (breaker, start) = (breaker(), Instant::now());
        open(&breaker, start);
        let probed = start + 2 * SECOND;
        let first = probe(&breaker, probed);
        // An attempt from before is no evidence against the probe.
        breaker.attempt_ended(probed, None, Health::Failed, 0);
        assert!(matches!(breaker.permit(probed, probed, false), Permit::WaitUntil(_)));
        assert!(!breaker.attempt_ended(probed, first, Health::Failed, u64::MAX));
        let Permit::WaitUntil(again) = breaker.permit(probed, probed + SECOND, false) else {
            panic!("it is open")
        };
        assert!(again > probed + 3 * SECOND && again <= probed + 4 * SECOND);
        let turn = Permit::WaitUntil(again + PROBE_TURN);
        assert_eq!(breaker.permit(again, again + SECOND, true), turn);
        let second = probe(&breaker, again);
        // A probe whose time was over ends after all.
        breaker.attempt_ended(again, first, Health::Failed, 0);
        assert!(matches!(breaker.permit(again, again, false), Permit::WaitUntil(_)));
        assert!(second != first);
    }

    #[test]
    fn a_probe_without_a_result_leaves_its_place() {
        let start = Instant::now();
        for end in ["unknown", "cancelled", "lost"] {
            let breaker = breaker();
            open(&breaker, start);
            let probed = start + 2 * SECOND;
            let first = probe(&breaker, probed);
            let next = match end {
                "unknown" => {
                    breaker.attempt_ended(probed, first, Health::Unknown, 0);
                    probed
                }
                "cancelled" => {
                    first.into_iter().for_each(|probe| breaker.release(probe));
                    probed
                }
                _ => probed + SECOND + PROBE_TURN,
            };
            assert!(probe(&breaker, next) != first, "{end}");
        }
    }

    #[test]
    fn the_open_time_has_the_limit_of_a_throttle() {
        let settings = CircuitBreaker::default().with_failures(1).with_open_time(Duration::MAX);
        let (breaker, now) = (Breaker::new(Some(settings), 50 * SECOND), Instant::now());
        assert!(breaker.attempt_ended(now, None, Health::Failed, u64::MAX));
        let Permit::WaitUntil(until) = breaker.permit(now, now + SECOND, false) else {
            panic!("it is open")
        };
        assert!(until <= now + 50 * SECOND);
        let none = Breaker::new(None, 50 * SECOND);
        (0..9).for_each(|_| assert!(!none.attempt_ended(now, None, Health::Failed, 0)));
        assert_eq!(none.permit(now, now + SECOND, false), ATTEMPT);
    }
}

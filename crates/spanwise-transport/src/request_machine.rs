//! The attempts of one request as a state machine: the time, the end of each attempt and a random number
//! in; attempts, waits and the failure out.

use std::time::{Duration, Instant};

#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_worker::__private::{INCREMENT, mix, timer_deadline};
use spanwise_worker::deadline;

use crate::admission::Admission;
use crate::circuit_breaker::{Health, Permit, Probe};
use crate::classify::{Accepted, AttemptOutcome};
use crate::retry::{Cause, Retry, Step};
use crate::{Delivery, Failure, Outcome, ResponseStatus, RetryPolicy};

/// The settings of a [`RequestMachine`].
#[derive(Debug, Clone, Copy)]
pub struct RequestSettings {
    /// The timeout of one attempt.
    pub attempt_timeout: Duration,
    /// The timeout of the request, with all its attempts and waits.
    pub request_timeout: Duration,
    /// The retry policy.
    pub retry: RetryPolicy,
}

/// The attempts of one request, without I/O, clock and random generator.
///
/// [`Transport::send`](crate::Transport::send) drives one for each request; a simulator can do the same.
#[derive(Debug)]
pub struct RequestMachine {
    attempt_timeout: Duration,
    start: Instant,
    deadline: Instant,
    retry: Retry,
    /// The end of the wait before the next attempt.
    wait_until: Instant,
    /// The cause of the last failed attempt.
    last: Cause,
    attempts: u32,
    ambiguous: u32,
    /// The attempt in flight, if it is a probe of the circuit breaker.
    probe: Option<Probe>,
    /// The last probe of the circuit breaker was ours, and failed.
    has_probed: bool,
    /// The times that our attempts opened the circuit breaker.
    breaker_openings: u32,
    /// Whether the next attempt sends a compressed body.
    is_compressed: bool,
    /// Whether an attempt was refused for its encoding.
    fell_back: bool,
}

/// The next step of a request.
#[derive(Debug)]
#[must_use]
pub enum RequestStep<E = Delivery> {
    /// Wait until this instant, or until an attempt of another request of the same [`Admission`] ends, and poll
    /// again.
    WaitUntil(Instant),
    /// Begin an attempt, and end it at `until` at the latest.
    Attempt {
        /// The deadline of the attempt.
        until: Instant,
    },
    /// The request has failed.
    End(E),
}

/// The state of a request after an attempt.
#[derive(Debug)]
pub(crate) enum AfterAttempt {
    Accepted(Accepted),
    /// The next attempt follows after this wait, or after the throttle.
    Retry(Duration),
    /// The receiver refuses the encoding: the next attempt follows at once, uncompressed.
    WithoutCompression(ResponseStatus),
    Failed(Failure),
    /// As `Failed`, by the deadline, which cut the attempt off before it sent anything: the attempt
    /// before it has the better cause.
    CutOff(Failure),
}

impl AfterAttempt {
    /// The wait before the next attempt, if one follows.
    pub(crate) fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::Retry(wait) => Some(*wait),
            Self::WithoutCompression(_) => Some(Duration::ZERO),
            Self::Accepted(_) | Self::Failed(_) | Self::CutOff(_) => None,
        }
    }
}

impl RequestMachine {
    /// A request that is ready to be sent at `now`.
    pub fn new(settings: RequestSettings, now: Instant) -> Self {
        let RequestSettings { attempt_timeout, request_timeout, retry } = settings;
        Self {
            attempt_timeout,
            start: now,
            deadline: after(now, request_timeout),
            retry: Retry::new(retry, request_timeout),
            wait_until: now,
            last: Cause::NotSent,
            attempts: 0,
            ambiguous: 0,
            probe: None,
            has_probed: false,
            breaker_openings: 0,
            is_compressed: false,
            fell_back: false,
        }
    }

    /// The body is compressed: an attempt whose encoding the receiver refuses is repeated at once, and
    /// from then on [uncompressed](Self::is_compressed).
    #[must_use]
    pub fn with_compression(mut self) -> Self {
        self.is_compressed = true;
        self
    }

    /// Whether the next attempt sends a compressed body.
    pub fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// Whether the receiver refused the encoding of an attempt, and an uncompressed one followed.
    pub fn fell_back(&self) -> bool {
        self.fell_back
    }

    /// The next step at `now`. After [`RequestStep::Attempt`], pass in the end of the attempt before the
    /// next call.
    pub fn poll(&mut self, now: Instant, admission: &Admission) -> RequestStep {
        match self.step(now, admission) {
            RequestStep::WaitUntil(at) => RequestStep::WaitUntil(at),
            RequestStep::Attempt { until } => RequestStep::Attempt { until },
            RequestStep::End(failure) => RequestStep::End(self.delivery(Outcome::Failed(failure))),
        }
    }

    pub(crate) fn step(&mut self, now: Instant, admission: &Admission) -> RequestStep<Failure> {
        self.own_step(now).unwrap_or_else(|| self.admitted(now, admission))
    }

    /// The next step at `now` if it depends on the request alone; `None` if an attempt is next, once it is
    /// [admitted](Self::admitted).
    pub(crate) fn own_step(&self, now: Instant) -> Option<RequestStep<Failure>> {
        if now < self.wait_until {
            return Some(RequestStep::WaitUntil(self.wait_until));
        }
        let is_late = now >= self.deadline;
        is_late.then(|| RequestStep::End(self.give_up(self.last.failure())))
    }

    /// An attempt, if `admission` admits it at `now`; otherwise a wait.
    pub(crate) fn admitted(&mut self, now: Instant, admission: &Admission) -> RequestStep<Failure> {
        // Read again after each wait: another request may have extended it.
        if let Some(end) = admission.throttle.ends(now) {
            return RequestStep::WaitUntil(end.min(self.deadline));
        }
        let until = after(now, self.attempt_timeout);
        #[cfg(feature = "planted-bugs")]
        let is_late = planted(Bug::AttemptOutlivesRequest);
        #[cfg(not(feature = "planted-bugs"))]
        let is_late = false;
        let until = if is_late { until } else { until.min(self.deadline) };
        match admission.breaker.permit(now, until, self.has_probed) {
            Permit::WaitUntil(at) => return RequestStep::WaitUntil(at.min(self.deadline)),
            Permit::Attempt(probe) => self.probe = probe,
        }
        self.attempts = self.attempts.saturating_add(1);
        RequestStep::Attempt { until }
    }

    /// The attempt in flight, if it is a probe of the circuit breaker.
    pub(crate) fn probe(&self) -> Option<Probe> {
        self.probe
    }

    /// The attempt ended at `now` with `outcome`. `random` draws a uniform number from all of `u64`.
    pub(crate) fn after(
        &mut self,
        now: Instant,
        outcome: AttemptOutcome,
        admission: &Admission,
        random: impl FnOnce() -> u64,
    ) -> AfterAttempt {
        if outcome.is_ambiguous() {
            self.ambiguous = self.ambiguous.saturating_add(1);
        }
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::AmbiguityForgotten) {
            self.ambiguous = 0;
        }
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::RetryAfterRejection) && matches!(outcome, AttemptOutcome::Permanent { .. })
        {
            return AfterAttempt::Retry(Duration::ZERO);
        }
        let probe = self.probe.take();
        #[cfg(feature = "planted-bugs")]
        let may_fall_back = !planted(Bug::RefusedEncodingRejects);
        #[cfg(not(feature = "planted-bugs"))]
        let may_fall_back = true;
        if self.is_compressed
            && may_fall_back
            && let Some(status) = outcome.refused_encoding()
        {
            self.is_compressed = false;
            self.fell_back = true;
            self.last = Cause::Answered(status);
            self.wait_until = now;
            admission.breaker.attempt_ended(now, probe, Health::Healthy, 0);
            return AfterAttempt::WithoutCompression(status);
        }
        let (cause, asked) = match outcome {
            AttemptOutcome::Accepted(accepted) => {
                admission.breaker.attempt_ended(now, probe, Health::Healthy, 0);
                return AfterAttempt::Accepted(accepted);
            }
            AttemptOutcome::Permanent { failure, .. } => {
                admission.breaker.attempt_ended(now, probe, Health::Healthy, 0);
                return AfterAttempt::Failed(failure);
            }
            AttemptOutcome::Retryable { cause, throttle, .. } => (cause, throttle),
        };
        let random = random();
        let health = if now < self.deadline { Health::Failed } else { Health::Unknown };
        self.has_probed = probe.is_some() && health == Health::Failed;
        let other = mix(random.wrapping_add(INCREMENT));
        let has_opened = admission.breaker.attempt_ended(now, probe, health, other);
        self.breaker_openings = self.breaker_openings.saturating_add(has_opened.into());
        if cause == Cause::NotSent && now >= self.deadline && self.attempts > 1 {
            return AfterAttempt::CutOff(self.give_up(self.last.failure()));
        }
        // The request itself waits no longer than all others: an attempt follows if there is time for one.
        let asked = asked.map(|wait| admission.throttle.hold(now, wait));
        self.last = cause;
        let elapsed = now.saturating_duration_since(self.start);
        match self.retry.after(elapsed, cause, asked, random) {
            Step::Wait(wait) => {
                self.wait_until = after(now, wait);
                AfterAttempt::Retry(wait)
            }
            Step::GiveUp(failure) => AfterAttempt::Failed(self.give_up(failure)),
        }
    }

    /// The request was cancelled. `sent`: an attempt is in flight, and bytes of it may have been sent.
    pub(crate) fn cancel(&mut self, sent: bool) {
        if sent {
            self.ambiguous = self.ambiguous.saturating_add(1);
        }
    }

    /// How often attempts so far opened the circuit breaker.
    pub(crate) fn breaker_openings(&self) -> u32 {
        self.breaker_openings
    }

    /// Attempts so far, the one in flight included.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Attempts so far that the server may have accepted without a conclusive response.
    pub fn ambiguous_attempts(&self) -> u32 {
        self.ambiguous
    }

    /// The delivery of a request that ends now with `outcome`, without texts.
    pub(crate) fn delivery(&self, outcome: Outcome) -> Delivery {
        let mut delivery = Delivery::from(outcome);
        delivery.attempts = self.attempts;
        delivery.ambiguous_attempts = self.ambiguous;
        delivery.breaker_openings = self.breaker_openings;
        delivery
    }

    /// The failure at the deadline: `failure`, or an ambiguous timeout if any attempt was ambiguous.
    fn give_up(&self, failure: Failure) -> Failure {
        if self.ambiguous > 0 { Failure::AmbiguousTimeout } else { failure }
    }
}

/// The instant `timeout` after `start`, 30 years after it at most.
fn after(start: Instant, timeout: Duration) -> Instant {
    timer_deadline(deadline(start, timeout))
}

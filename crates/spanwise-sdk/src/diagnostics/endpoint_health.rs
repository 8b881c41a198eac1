//! [`EndpointHealth`]: failures and recoveries of the endpoint, and the cause of the last failure.

use super::diagnostic::Diagnostic;
use super::interval::REPORT_INTERVAL;
use super::reporter::Reporter;
use super::text::sanitize;
use spanwise_transport::{Compression, FailedAttempt};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Reports the first failed attempt at once, and the first request that the receiver accepts after it.
/// A clone shares the state with the tasks that send, and with threads that flush and read the cause.
///
/// In half a minute at most three outages are reported, and another cause of the same outage half a
/// minute after the last report.
#[derive(Clone)]
pub(crate) struct EndpointHealth {
    reporter: Reporter,
    state: Arc<Mutex<State>>,
    /// The name of a further destination.
    destination: Option<Arc<str>>,
    /// For how long no attempt must have failed before an accepted request is a recovery: of several endpoints,
    /// others accept requests while one fails.
    settled_after: Duration,
    /// The generation of the transport whose attempts this clone observes.
    generation: u32,
}

#[derive(Default)]
struct State {
    /// The attempts that failed since a request was accepted last; `None` when none did.
    failing: Option<Failing>,
    /// The times of the last three reports of a failure.
    reports: VecDeque<Instant>,
    /// The cause of the last report.
    reported: Option<String>,
    /// Whether the recovery will be reported.
    owes_recovery: bool,
    last_failure: Option<(Instant, String)>,
    /// The endpoint of the requests.
    endpoint: String,
    /// The time of the last report of a circuit breaker that opened.
    opened: Option<Instant>,
    /// Whether a refused compression was reported.
    has_reported_compression: bool,
    /// The generation of the present transport.
    generation: u32,
    /// Since when the requests in flight have had no response; `None` without requests.
    awaited: Option<Instant>,
}

struct Failing {
    endpoint: String,
    since: Instant,
    attempts: u64,
}

impl EndpointHealth {
    pub(crate) fn new(reporter: Reporter) -> Self {
        let (state, settled_after) = (Arc::default(), Duration::ZERO);
        Self { reporter, state, destination: None, settled_after, generation: 0 }
    }

    /// Those of a further destination, which has its name in reports. `is_routed`: it has several endpoints.
    pub(crate) fn of_destination(reporter: Reporter, name: &str, is_routed: bool) -> Self {
        let settled_after = if is_routed { REPORT_INTERVAL } else { Duration::ZERO };
        let destination = Some(sanitize(name).into());
        Self { destination, settled_after, ..Self::new(reporter) }
    }

    /// An endpoint as reports show it: with the name of its destination, if it is another text.
    fn shown(&self, endpoint: &str) -> String {
        match &self.destination {
            Some(name) if !endpoint.contains(&**name) => format!("{name} ({endpoint})"),
            _ => endpoint.to_owned(),
        }
    }

    /// The health of the next transport's endpoint, which [`begin`](Self::begin) makes the present one.
    pub(crate) fn of_next_transport(&self) -> Self {
        let generation = self.lock().generation.wrapping_add(1);
        Self { generation, ..self.clone() }
    }

    /// The transport of this clone is the present one, and its endpoint has not failed. Failures of an earlier
    /// transport are the causes of losses from now on, and are no outage.
    pub(crate) fn begin(&self, endpoint: String) {
        let mut state = self.lock();
        let State { last_failure, awaited, reports, .. } = std::mem::take(&mut *state);
        let generation = self.generation;
        *state = State { last_failure, awaited, reports, endpoint, generation, ..State::default() };
    }

    /// The receiver of the reports.
    pub(crate) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Records a failed attempt. The task that sends calls this.
    pub(crate) fn attempt_failed(&self, failed: &FailedAttempt) {
        if let Some(compression) = failed.refused_compression {
            return self.compression_refused(failed, compression);
        }
        let now = Instant::now();
        let (endpoint, cause) = (self.shown(&failed.endpoint), failed.cause.clone());
        let mut state = self.lock();
        if failed.is_too_large || self.generation != state.generation {
            // The endpoint is healthy: the exporter splits the request, or reports a span that is too large alone.
            // Or it is that of an earlier transport.
            state.last_failure = Some((now, format!("{endpoint}: {cause}")));
            return;
        }
        let failing = state.failing.get_or_insert_with(|| Failing {
            since: now,
            attempts: 0,
            endpoint: endpoint.clone(),
        });
        failing.attempts = failing.attempts.saturating_add(1);
        state.last_failure = Some((now, format!("{endpoint}: {cause}")));
        let has_opened = failed.circuit_breaker_opened && state.should_report_opening(now);
        let opened = has_opened.then(|| Diagnostic::CircuitBreakerOpened {
            endpoint: endpoint.clone(),
            cause: cause.clone(),
            retry_in: failed.retry_in,
        });
        if !state.should_report(now, &cause) {
            drop(state);
            opened.into_iter().for_each(|opened| self.reporter.report(opened));
            return;
        }
        state.reports.push_back(now);
        if state.reports.len() > OUTAGES {
            state.reports.pop_front();
        }
        state.reported = Some(cause.clone());
        state.owes_recovery = true;
        drop(state);
        self.reporter.report(Diagnostic::EndpointFailing {
            endpoint,
            cause,
            advice: failed.advice.clone(),
            attempt: failed.attempt,
            retry_in: failed.retry_in,
        });
        opened.into_iter().for_each(|opened| self.reporter.report(opened));
    }

    /// The printed endpoint of the requests.
    pub(crate) fn endpoint(&self) -> String {
        self.lock().endpoint.clone()
    }

    /// The endpoint is healthy: only the form of the request is refused, and it follows in another one.
    fn compression_refused(&self, failed: &FailedAttempt, compression: Compression) {
        if std::mem::replace(&mut self.lock().has_reported_compression, true) {
            return;
        }
        self.reporter.report(Diagnostic::CompressionRefused {
            endpoint: self.shown(&failed.endpoint),
            compression,
            cause: failed.cause.clone(),
            advice: failed.advice.clone(),
        });
    }

    /// Sets the printed endpoint of the requests.
    pub(crate) fn set_endpoint(&self, endpoint: String) {
        self.lock().endpoint = endpoint;
    }

    /// Records that requests in flight have had no response since `since`; `None` without requests.
    pub(crate) fn awaiting(&self, since: Option<Instant>) {
        self.lock().awaited = since;
    }

    /// Records an accepted request.
    pub(crate) fn accepted(&self) {
        let mut state = self.lock();
        let is_settled = |(at, _): &(Instant, String)| at.elapsed() >= self.settled_after;
        if !state.last_failure.as_ref().is_none_or(is_settled) {
            return;
        }
        let Some(Failing { endpoint, since, attempts }) = state.failing.take() else { return };
        if std::mem::take(&mut state.owes_recovery) {
            drop(state);
            let after = since.elapsed();
            self.reporter.report(Diagnostic::EndpointRecovered { endpoint, after, attempts });
        }
    }

    /// Whether `cause` was reported last, within half a minute.
    pub(crate) fn has_reported(&self, cause: &str) -> bool {
        let state = self.lock();
        state.reports.back().is_some_and(|at| at.elapsed() < REPORT_INTERVAL)
            && state.reported.as_ref().is_some_and(|reported| reported == cause)
    }

    /// Endpoint and cause of the last failed attempt, if it was in the last two minutes or no request was
    /// accepted after it; otherwise the time for which requests have waited for a response, if it is long.
    ///
    /// Reports of lost or waiting spans print it.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.failure_within(RECENT)
    }

    /// As [`last_failure`](Self::last_failure), but `None` once a request was accepted after it.
    pub(crate) fn present_failure(&self) -> Option<String> {
        self.failure_within(Duration::ZERO)
    }

    fn failure_within(&self, recent: Duration) -> Option<String> {
        let state = self.lock();
        let failure = state.last_failure.as_ref().filter(|(at, _)| {
            let is_older = state.awaited.is_some_and(|since| *at < since);
            state.failing.is_some() || (!is_older && at.elapsed() < recent)
        });
        failure.map(|(_, failure)| failure.clone()).or_else(|| {
            let waited = state.awaited?.elapsed();
            (waited >= LATE).then(|| format!("{}: no answer for {waited:.1?}", state.endpoint))
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether to report that the circuit breaker opened: the first time in half a minute.
    fn should_report_opening(&mut self, now: Instant) -> bool {
        let is_due = self.opened.is_none_or(|at| now >= at + REPORT_INTERVAL);
        if is_due {
            self.opened = Some(now);
        }
        is_due
    }

    /// Whether to report a failure for `cause`: the first since an accepted request, or one for another
    /// cause than that of the last report.
    fn should_report(&self, now: Instant, cause: &str) -> bool {
        let is_past =
            |report: Option<&Instant>| report.is_none_or(|at| now >= *at + REPORT_INTERVAL);
        match (self.owes_recovery, &self.reported) {
            (false, _) => self.reports.len() < OUTAGES || is_past(self.reports.front()),
            (true, reported) => is_past(self.reports.back()) && reported.as_deref() != Some(cause),
        }
    }
}

/// Outages that are reported in half a minute.
const OUTAGES: usize = 3;
/// The time after which a request that waits for its response may be the cause of a loss.
const LATE: Duration = Duration::from_millis(100);
/// How long a failure may be the cause of spans that are lost later.
const RECENT: Duration = Duration::from_secs(120);

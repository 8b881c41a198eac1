//! The endpoints of a transport: which of them each attempt goes to, and when.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::admission::Admission;
use crate::classify::AttemptOutcome;
use crate::request_machine::{RequestMachine, RequestStep};
use crate::{CircuitBreaker, EndpointSelection, Failure};

/// The endpoints of a transport. Each has its own throttle and its own circuit breaker: one that fails does not
/// stop the others.
#[derive(Debug)]
pub(crate) struct Endpoints {
    first: Admission,
    further: Box<[Admission]>,
    states: Mutex<EndpointStates>,
}

/// Whose turn it is, and which endpoints failed recently.
#[derive(Debug, Clone)]
struct EndpointStates {
    selection: EndpointSelection,
    next: usize,
    /// When each endpoint may be selected again after a failure.
    left_out_until: Vec<Option<Instant>>,
}

impl Endpoints {
    /// `count` endpoints, at least one, each of which can stop its attempts for at most `longest`.
    pub(crate) fn new(
        count: usize,
        selection: EndpointSelection,
        longest: Duration,
        breaker: Option<CircuitBreaker>,
    ) -> Self {
        let admission = || Admission::new(longest, breaker);
        let further: Box<[_]> = (1..count).map(|_| admission()).collect();
        let states = Mutex::new(EndpointStates::new(selection, 1 + further.len()));
        Self { first: admission(), further, states }
    }

    /// The same endpoints with the same turn, each without a throttle and without a circuit breaker.
    pub(crate) fn probing(&self) -> Self {
        let states = Mutex::new(self.with_states(|states| states.clone()));
        let admission = || Admission::new(Duration::ZERO, None);
        let further = self.further.iter().map(|_| admission()).collect();
        Self { first: admission(), further, states }
    }

    /// The next step of `machine`, and the index of the endpoint that an attempt goes to.
    pub(crate) fn step(
        &self,
        machine: &mut RequestMachine,
        now: Instant,
    ) -> (usize, RequestStep<Failure>) {
        if self.further.is_empty() {
            return (0, machine.step(now, &self.first));
        }
        if let Some(step) = machine.own_step(now) {
            return (0, step);
        }
        // Locked until the endpoint is chosen: requests that begin at once take different turns.
        self.with_states(|states| {
            let mut earliest: Option<Instant> = None;
            for index in states.order(now) {
                match machine.admitted(now, self.at(index)) {
                    RequestStep::WaitUntil(at) => {
                        earliest = Some(earliest.map_or(at, |it| it.min(at)));
                    }
                    step => {
                        states.chosen(index);
                        return (index, step);
                    }
                }
            }
            (0, RequestStep::WaitUntil(earliest.unwrap_or(now)))
        })
    }

    /// An attempt to the endpoint at `index` ended at `now`. Returns the outcome for the machine of its request: the
    /// wait that the server asked for holds for this endpoint, and the request waits for the one that is free first.
    pub(crate) fn attempt_ended(
        &self,
        index: usize,
        now: Instant,
        mut outcome: AttemptOutcome,
    ) -> AttemptOutcome {
        if self.further.is_empty() {
            return outcome;
        }
        let is_failing = matches!(outcome, AttemptOutcome::Retryable { .. });
        self.with_states(|states| states.attempted(now, index, is_failing));
        if let AttemptOutcome::Retryable { throttle, .. } = &mut outcome
            && let Some(asked) = *throttle
        {
            self.at(index).throttle.hold(now, asked);
            // `None` precedes every wait: an endpoint that asked for none is next.
            let ends = self.all().map(|it| it.throttle.ends(now)).min().flatten();
            *throttle = ends.map(|end| end.saturating_duration_since(now));
        }
        outcome
    }

    /// The throttle and the circuit breaker of the endpoint at `index`.
    pub(crate) fn at(&self, index: usize) -> &Admission {
        let further = index.checked_sub(1).and_then(|index| self.further.get(index));
        further.unwrap_or(&self.first)
    }

    /// The time until an attempt may be sent to one of them.
    pub(crate) fn closed_for(&self, now: Instant) -> Duration {
        self.all().map(|it| it.closed_for(now)).min().unwrap_or_default()
    }

    /// Why a request that is ready waits, for its failure.
    pub(crate) fn wait_reason(&self, now: Instant) -> &'static str {
        match self.all().any(|it| it.throttle.ends(now).is_some()) {
            true => "the throttle that the server requested was still in force",
            false => "the circuit breaker was still open, after failed attempts of other requests",
        }
    }

    fn all(&self) -> impl Iterator<Item = &Admission> {
        [&self.first].into_iter().chain(&self.further)
    }

    fn with_states<T>(&self, change: impl FnOnce(&mut EndpointStates) -> T) -> T {
        change(&mut self.states.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EndpointStates {
    fn new(selection: EndpointSelection, count: usize) -> Self {
        Self { selection, next: 0, left_out_until: vec![None; count] }
    }

    /// All endpoints, in the order in which the next attempt prefers them.
    fn order(&self, now: Instant) -> Vec<usize> {
        let count = self.left_out_until.len().max(1);
        let mut order: Vec<_> = (0..count).map(|step| (self.next + step) % count).collect();
        if self.selection == EndpointSelection::RoundRobin {
            // Stable: within each group they keep their turns.
            order.sort_by_key(|at| self.left_out_until.get(*at).is_some_and(|it| *it > Some(now)));
        }
        order
    }

    /// The next attempt goes to this endpoint.
    fn chosen(&mut self, index: usize) {
        self.next = match self.selection {
            EndpointSelection::PickFirst => index,
            EndpointSelection::RoundRobin => (index + 1) % self.left_out_until.len().max(1),
        };
    }

    /// An attempt to an endpoint ended.
    fn attempted(&mut self, now: Instant, index: usize, is_failing: bool) {
        if let Some(until) = self.left_out_until.get_mut(index) {
            *until = is_failing.then(|| now + LEFT_OUT);
        }
        // Several attempts may fail at once: only the first of them moves on.
        if self.selection == EndpointSelection::PickFirst && is_failing && self.next == index {
            self.next = (index + 1) % self.left_out_until.len().max(1);
        }
    }
}

/// The time for which round robin leaves a failing endpoint out.
const LEFT_OUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn states(selection: EndpointSelection) -> EndpointStates {
        EndpointStates::new(selection, 3)
    }

    impl EndpointStates {
        /// The endpoint of the next attempt, if each admits it.
        fn select(&mut self, now: Instant) -> usize {
            let index = self.order(now)[0];
            self.chosen(index);
            index
        }
    }

    #[test]
    fn pick_first_stays_with_an_endpoint_that_works() {
        let (mut states, now) = (states(EndpointSelection::PickFirst), Instant::now());
        let mut attempt = |expected: usize, is_failing: bool| {
            assert_eq!(states.select(now), expected);
            states.attempted(now, expected, is_failing);
        };
        attempt(0, false);
        attempt(0, true);
        attempt(1, false);
        attempt(1, false);
        attempt(1, true);
        attempt(2, true);
        attempt(0, true);
        attempt(1, false);
    }

    #[test]
    fn attempts_that_fail_at_once_move_on_by_one_endpoint() {
        let (mut states, now) = (states(EndpointSelection::PickFirst), Instant::now());
        let together = [states.select(now), states.select(now)];
        assert_eq!(together, [0, 0]);
        together.iter().for_each(|index| states.attempted(now, *index, true));
        assert_eq!(states.select(now), 1);
    }

    #[test]
    fn round_robin_leaves_a_failing_endpoint_out_for_a_while() {
        let (mut states, start) = (states(EndpointSelection::RoundRobin), Instant::now());
        let mut attempt = |now: Instant, failing: &[usize]| {
            let index = states.select(now);
            states.attempted(now, index, failing.contains(&index));
            index
        };
        let turns: Vec<_> = (0..6).map(|_| attempt(start, &[1])).collect();
        assert_eq!(turns, [0, 1, 2, 0, 2, 0]);
        let later = start + LEFT_OUT;
        assert_eq!([attempt(later, &[]), attempt(later, &[])], [1, 2]);
        // While all fail, each still has its turn.
        let turns: Vec<_> = (0..6).map(|_| attempt(later, &[0, 1, 2])).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    }
}

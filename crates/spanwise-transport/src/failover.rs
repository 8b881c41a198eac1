//! Several endpoints of one transport: each attempt goes to one of them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use crate::body::Sent;
use crate::classify::AttemptOutcome;
use crate::payload::Payload;

/// Which of several endpoints an attempt goes to: the policies that gRPC has for the addresses of a name
/// (gRPC, *Load Balancing*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum EndpointSelection {
    /// The first endpoint until an attempt fails with a retryable error, then the next one, and so on; after
    /// the last, the first again. gRPC's default. An endpoint that works is not left.
    #[default]
    PickFirst,
    /// Each endpoint in turn. One whose attempt failed with a retryable error is left out for 5 s, unless all
    /// of them are.
    RoundRobin,
}

/// Runs attempts against one endpoint.
pub(crate) trait Attempts {
    /// Runs one attempt: sends `payload` and reads a response of at most `max` bytes until `deadline`.
    fn attempt<'a>(
        &'a self,
        payload: &'a Payload,
        sent: Sent,
        max: usize,
        deadline: Instant,
    ) -> AttemptFuture<'a>;
}

/// A boxed future: each backend of a [`Failover`] has the type of the backend that it is a part of.
pub(crate) type AttemptFuture<'a> = Pin<Box<dyn Future<Output = AttemptOutcome> + Send + 'a>>;

/// Backends of the same protocol to several endpoints.
pub(crate) struct Failover<B> {
    /// Each with the authority of its endpoint.
    backends: Vec<(String, B)>,
    state: Mutex<EndpointStates>,
}

/// The endpoints' states, and whose turn it is.
#[derive(Debug)]
struct EndpointStates {
    selection: EndpointSelection,
    next: usize,
    /// When each endpoint may be selected again after a failure.
    left_out_until: Vec<Option<Instant>>,
}

impl<B: Attempts> Failover<B> {
    pub(crate) fn new(backends: Vec<(String, B)>, selection: EndpointSelection) -> Self {
        let left_out_until = vec![None; backends.len()];
        let state = Mutex::new(EndpointStates { selection, next: 0, left_out_until });
        Self { backends, state }
    }

    /// Runs one attempt against the endpoint whose turn it is.
    pub(crate) async fn attempt(
        &self,
        payload: &Payload,
        sent: Sent,
        max: usize,
        deadline: Instant,
    ) -> AttemptOutcome {
        let index = self.with_state(|state| state.select(Instant::now()));
        let Some((authority, backend)) = self.backends.get(index) else {
            return AttemptOutcome::permanent(crate::Failure::Unsendable, "no endpoint");
        };
        let outcome = backend.attempt(payload, sent, max, deadline).await;
        let is_failing = matches!(outcome, AttemptOutcome::Retryable { .. });
        self.with_state(|state| state.attempted(Instant::now(), index, is_failing));
        outcome.at_endpoint(authority)
    }

    fn with_state<T>(&self, change: impl FnOnce(&mut EndpointStates) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EndpointStates {
    /// The endpoint of the next attempt.
    fn select(&mut self, now: Instant) -> usize {
        let count = self.left_out_until.len().max(1);
        match self.selection {
            EndpointSelection::PickFirst => self.next,
            EndpointSelection::RoundRobin => {
                let is_left_out =
                    |at: usize| self.left_out_until.get(at).is_some_and(|until| *until > Some(now));
                let turns = (0..count).map(|step| (self.next + step) % count);
                let selected = turns.clone().find(|at| !is_left_out(*at)).unwrap_or(self.next);
                self.next = (selected + 1) % count;
                selected
            }
        }
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

impl<B: fmt::Debug> fmt::Debug for Failover<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failover").field("backends", &self.backends).finish_non_exhaustive()
    }
}

/// The time for which round robin leaves a failing endpoint out.
const LEFT_OUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn states(selection: EndpointSelection) -> EndpointStates {
        EndpointStates { selection, next: 0, left_out_until: vec![None; 3] }
    }

    #[tokio::test(start_paused = true)]
    async fn pick_first_stays_with_an_endpoint_that_works() {
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

    #[tokio::test(start_paused = true)]
    async fn attempts_that_fail_at_once_move_on_by_one_endpoint() {
        let (mut states, now) = (states(EndpointSelection::PickFirst), Instant::now());
        let together = [states.select(now), states.select(now)];
        assert_eq!(together, [0, 0]);
        together.iter().for_each(|index| states.attempted(now, *index, true));
        assert_eq!(states.select(now), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn round_robin_leaves_a_failing_endpoint_out_for_a_while() {
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

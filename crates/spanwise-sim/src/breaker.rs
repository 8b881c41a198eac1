//! The circuit breaker as its documentation describes it: the oracle of the transport's.

use crate::violation::{Checked, require};
use spanwise_export::sans_io::RequestId;
use std::time::{Duration, Instant};

/// The settings of the circuit breaker of a world.
#[derive(Debug, Clone, Copy)]
pub struct BreakerSettings {
    /// Failed attempts in a row that open it.
    pub failures: u32,
    /// The longest time until a probe.
    pub open_time: Duration,
}

/// The state that the breaker has to have.
#[derive(Debug)]
pub struct BreakerModel {
    /// `None`: there is no breaker.
    settings: Option<BreakerSettings>,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Since this instant, and failed attempts in a row.
    Closed(Instant, u32),
    /// A probe follows between these instants.
    Open(Instant, Instant),
    /// The probe in flight.
    HalfOpen(RequestId),
    /// The clock jumped while a probe was in flight: it may count as lost or not.
    Unknown,
}

/// The end of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The receiver answered for good.
    Healthy,
    /// The attempt failed for now.
    Failed,
    /// The deadline of the request cut it off.
    Unknown,
}

impl BreakerModel {
    /// A closed breaker.
    pub fn new(settings: Option<BreakerSettings>, now: Instant) -> Self {
        Self { settings, state: State::Closed(now, 0) }
    }

    /// Whether there is a breaker.
    pub fn is_on(&self) -> bool {
        self.settings.is_some()
    }

    /// An attempt of `id` begins.
    ///
    /// # Errors
    /// It should not begin now.
    pub fn began(&mut self, now: Instant, id: RequestId) -> Checked {
        match self.state {
            State::Closed(..) | State::Unknown => {}
            State::Open(from, _) => {
                let rule = "no attempt begins while the circuit breaker is open";
                require(now + SLACK >= from, rule, || format!("{id:?}, {:?} early", from - now))?;
                self.state = State::HalfOpen(id);
            }
            State::HalfOpen(probe) => {
                let rule = "a half-open circuit breaker has one probe";
                require(false, rule, || format!("{id:?} beside {probe:?}"))?;
            }
        }
        Ok(())
    }

    /// The time from which on the breaker holds no attempt back.
    pub fn latest(&self) -> Option<Instant> {
        match self.state {
            State::Closed(since, _) => self.is_on().then_some(since),
            State::Open(_, latest) => Some(latest + PROBE_TURN),
            State::HalfOpen(_) | State::Unknown => None,
        }
    }

    /// An attempt of `id` ended.
    pub fn ended(&mut self, now: Instant, id: RequestId, health: Health) {
        let Some(settings) = self.settings else { return };
        let opened = State::Open(now + settings.open_time / 2, now + settings.open_time);
        self.state = match (self.state, health) {
            (State::Closed(since, _), Health::Healthy) => State::Closed(since, 0),
            (_, Health::Healthy) => State::Closed(now, 0),
            (State::Closed(_, failed), Health::Failed) if failed + 1 >= settings.failures => opened,
            (State::Closed(since, failed), Health::Failed) => State::Closed(since, failed + 1),
            (State::HalfOpen(probe), Health::Failed) if probe == id => opened,
            (State::HalfOpen(probe), Health::Unknown) if probe == id => State::Open(now, now),
            (state, _) => state,
        };
    }

    /// The clock jumped to `now`: until then, no task ran.
    pub fn excuse(&mut self, now: Instant) {
        match &mut self.state {
            State::Closed(at, _) | State::Open(_, at) => *at = now.max(*at),
            state => *state = State::Unknown,
        }
    }
}

/// The time for which a request whose probe failed leaves the next one to others.
const PROBE_TURN: Duration = Duration::from_millis(10);
/// The wait is drawn with fractions of a nanosecond.
const SLACK: Duration = Duration::from_micros(1);

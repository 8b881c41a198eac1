//! A run, and what it has to prove.

use super::control_group::Usage;
use super::limits::{KILLED, MEMORY};
use super::receivers::State;
use crate::demo_service::{End, Outcome};

/// The service against one receiver.
pub(super) struct Run {
    pub(super) state: State,
    pub(super) end: End,
    /// The kernel's counts, with a control group.
    pub(super) usage: Option<Usage>,
    /// The spans that the receiver accepted, if it accepts any.
    pub(super) received: Option<u64>,
}

impl Run {
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        match &self.end {
            End::Done(outcome) => Some(outcome),
            End::Signal(_) => None,
        }
    }

    /// # Errors
    /// The process was ended, lost the account of a span, or did not follow its limits.
    pub(super) fn check(&self) -> Result<(), String> {
        let failed = |problem: String| Err(format!("{}: {problem}", self.state.name()));
        let outcome = match &self.end {
            End::Done(outcome) => outcome,
            End::Signal(KILLED) => return failed("the kernel ended the process".to_owned()),
            End::Signal(signal) => return failed(format!("signal {signal} ended the process")),
        };
        if let Some(imbalance) = &outcome.imbalance {
            return failed(format!("the ledger: {imbalance}"));
        }
        let exported = outcome.exported;
        match self.received {
            Some(received) => {
                if let Err(problem) = outcome.check_received(received) {
                    return failed(problem);
                }
            }
            None if exported > 0 => return failed(format!("exported {exported} spans to nothing")),
            None => {}
        }
        if outcome.created == 0 || (self.state == State::Alive && exported == 0) {
            return failed("no spans".to_owned());
        }
        if (outcome.budget, outcome.max_in_flight) != (2 << 20, 2) {
            let Outcome { budget, budget_origin, max_in_flight, .. } = &**outcome;
            return failed(format!(
                "a budget of {budget} bytes ({budget_origin}) and {max_in_flight} requests in flight"
            ));
        }
        if outcome.budget_peak > outcome.budget {
            return failed(format!("{} bytes of the budget were used", outcome.budget_peak));
        }
        match &self.usage {
            Some(usage) if usage.kills > 0 => failed(format!("{} processes ended", usage.kills)),
            None if outcome.peak_rss > MEMORY => {
                failed(format!("{} bytes of resident memory", outcome.peak_rss))
            }
            _ => Ok(()),
        }
    }

    /// The run on one line.
    pub(super) fn line(&self) -> String {
        match (self.outcome(), self.check()) {
            (Some(outcome), Ok(())) => format!(
                "{:<26} {} spans created, {} exported, {:.1} MiB resident at most",
                self.state.name(),
                outcome.created,
                outcome.exported,
                outcome.peak_rss as f64 / f64::from(1 << 20),
            ),
            (_, Err(problem)) => problem,
            (None, Ok(())) => self.state.name().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: State, change: impl FnOnce(&mut Outcome, &mut Usage)) -> Run {
        let mut outcome = Outcome {
            created: 100,
            exported: if state == State::Dead { 0 } else { 60 },
            budget: 2 << 20,
            max_in_flight: 2,
            ..Outcome::default()
        };
        let mut usage = Usage::default();
        change(&mut outcome, &mut usage);
        let received = (state != State::Dead).then_some(60);
        Run { state, end: End::Done(Box::new(outcome)), usage: Some(usage), received }
    }

    #[test]
    fn each_failure_is_named() {
        for state in [State::Alive, State::Slow, State::Dead] {
            assert_eq!(run(state, |_, _| {}).check(), Ok(()), "{state:?}");
        }
        let problem = |run: Run| run.check().unwrap_err();
        let alive = |change: fn(&mut Outcome, &mut Usage)| problem(run(State::Alive, change));
        assert!(alive(|_, usage| usage.kills = 1).contains("1 processes ended"));
        assert!(alive(|it, _| it.imbalance = Some("off".to_owned())).contains("the ledger: off"));
        assert!(alive(|it, _| it.exported = 61).contains("exported 61 spans, received 60"));
        assert!(alive(|it, _| it.budget = 16 << 20).contains("a budget of 16777216 bytes"));
        assert!(alive(|it, _| it.budget_peak = 3 << 20).contains("bytes of the budget"));
        assert!(alive(|it, _| it.created = 0).contains("no spans"));
        assert!(problem(run(State::Dead, |it, _| it.exported = 1)).contains("to nothing"));
        assert!(problem(run(State::Slow, |it, _| it.exported = 61)).contains("exported 61"));
        let killed = Run { end: End::Signal(9), ..run(State::Alive, |_, _| {}) };
        assert!(problem(killed).contains("the kernel ended the process"));
        let without = Run { usage: None, ..run(State::Alive, |it, _| it.peak_rss = 65 << 20) };
        assert!(problem(without).contains("resident memory"));
    }
}

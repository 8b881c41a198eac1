//! The losses and the health of the destinations beside the exporter's first.

use super::diagnostic::Diagnostic;
use super::endpoint_health::EndpointHealth;
use super::losses::{LossChange, Losses};
use super::text::sanitize;
use spanwise_ledger::{Counter, Ledger};
use spanwise_transport::{Delivery, Outcome};
use std::time::Instant;

/// Reports the losses of one destination as its ledger counts them: the first at once, later ones at most
/// every half a minute.
pub(crate) struct DestinationLosses {
    name: String,
    ledger: Ledger,
    health: EndpointHealth,
    losses: Losses,
    /// The cause of the last request that failed since the last report.
    last_failure: Option<String>,
}

impl DestinationLosses {
    pub(crate) fn new(name: &str, ledger: &Ledger, health: EndpointHealth) -> Self {
        let (name, ledger) = (sanitize(name), ledger.clone());
        Self { name, ledger, health, losses: Losses::default(), last_failure: None }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A request to the destination ended.
    pub(crate) fn request_ended(&mut self, delivery: &Delivery) {
        if delivery.is_accepted() {
            self.health.accepted();
        }
        match &delivery.outcome {
            Outcome::Accepted { rejected: 0, .. } => {}
            Outcome::Accepted { message, .. } => {
                let message = message.as_deref().unwrap_or("spans were rejected");
                self.last_failure = Some(sanitize(message));
            }
            Outcome::Failed(failure) => {
                let cause = if delivery.cause.is_empty() {
                    failure.to_string()
                } else {
                    delivery.cause.clone()
                };
                self.last_failure = Some(sanitize(&cause));
            }
        }
    }

    /// The report that is due at `now`, if one is.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Diagnostic> {
        let change = self.losses.check(now, &self.ledger)?;
        self.report(change)
    }

    /// The report of all losses that were not reported.
    pub(crate) fn last(&mut self) -> Option<Diagnostic> {
        let change = self.losses.last(Instant::now(), &self.ledger)?;
        self.report(change)
    }

    fn report(&mut self, change: LossChange) -> Option<Diagnostic> {
        match change {
            LossChange::Lost(lost) => {
                let (destination, last_failure) = (self.name.clone(), self.last_failure.take());
                Some(Diagnostic::DestinationSpansLost { destination, lost, last_failure })
            }
            LossChange::Ended { .. } => {
                self.ledger.count(Counter::LossRecoveries, 1);
                None
            }
        }
    }
}

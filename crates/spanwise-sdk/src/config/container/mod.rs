//! The defaults of the budget and of requests in flight in a small container.

pub(super) mod limits;

use super::builder::SpanwiseBuilder;
use super::capacity::BUDGET;
use super::environment::Environment;
use super::error::BuildError;
use super::ranges;
use super::resource::Resource;
use super::settings::MAX_IN_FLIGHT;
use crate::diagnostics::{Diagnostic, Reporter};
use spanwise_transport::Transport;
use spanwise_worker::cgroup::{self, Limits};

impl SpanwiseBuilder {
    /// Reduces the defaults of the budget and of requests in flight to what the container has, and reports it.
    /// Code and variables precede both.
    pub(super) fn fit_into_container(
        &mut self,
        environment: &Environment,
        transport: &Transport,
        reporter: &Reporter,
    ) {
        let silent = environment.silent();
        let has_budget =
            self.budget_bytes.is_some() || ranges::BUDGET_BYTES.from(&silent).is_some();
        let has_requests = self.max_in_flight.is_some();
        if has_budget && has_requests {
            return;
        }
        let file = self.container.file;
        let group = match (file.memory_bytes, file.cpus) {
            (Some(_), Some(_)) => Limits::default(),
            _ => self.container.group.unwrap_or_else(cgroup::limits),
        };
        if let Some(cpus) = file.cpus.or(group.cpus).filter(|_| !has_requests)
            && let requests = requests_in_flight(cpus)
            && requests < IN_FLIGHT
        {
            self.container.max_in_flight = Some(requests);
            reporter.report(Diagnostic::InFlightReduced { cpus, requests });
        }
        if let Some(limit_bytes) = file.memory_bytes.or(group.memory_bytes).filter(|_| !has_budget)
            && let share = budget_bytes(limit_bytes)
            && share < BUDGET
            && let budget_bytes = self.least_budget_of(share, &silent, transport)
            && budget_bytes < BUDGET
        {
            self.container.budget = Some(budget_bytes);
            reporter.report(Diagnostic::BudgetReduced { limit_bytes, budget_bytes });
        }
    }

    /// The smallest budget from `share` on, in whole MiB, that the other settings accept; the usual budget if
    /// none below it does, so that an error of `build` has the cause that it has without a container.
    fn least_budget_of(
        &self,
        share: usize,
        environment: &Environment,
        transport: &Transport,
    ) -> usize {
        let mut builder = self.clone();
        builder.detectors = Some(Vec::new());
        let mut budget = share;
        while budget < BUDGET {
            builder.container.budget = Some(budget);
            if builder.check_capacity(environment, transport.clone()).is_ok() {
                return budget;
            }
            budget = (budget + 1).next_multiple_of(MIB);
        }
        BUDGET
    }

    /// # Errors
    /// The endpoints, the resource or the span limits need a larger budget.
    fn check_capacity(
        &self,
        environment: &Environment,
        transport: Transport,
    ) -> Result<(), BuildError> {
        let exporter = self.exporter_builder(environment, transport)?;
        let max_bytes = exporter.max_resource_bytes();
        let resource = Resource::of_builder(&mut self.clone(), environment, max_bytes)?;
        let exporter = exporter.with_resource(resource.encoded);
        let (_queue, prepared) = self.resolve_export(exporter, environment)?.prepare()?;
        self.span_limits(environment, prepared.max_span_bytes()).map(|_limits| ())
    }
}

/// The budget of a container with this memory: a 32nd, 1 to 16 MiB.
///
/// The budget covers ended spans and requests. Open spans, their records and the exporter's connections come on
/// top, so that the share is small. A container of 512 MiB has the usual budget.
fn budget_bytes(limit: u64) -> usize {
    usize::try_from(limit / SHARE).unwrap_or(BUDGET).clamp(MIB, BUDGET)
}

/// The requests in flight of a container with these processors: four for each, 1 to 4.
///
/// A request in flight is mostly a wait for the receiver, and one worker thread serves all of them, whatever
/// their number. So the limit reduces the usual number, and never raises it.
fn requests_in_flight(cpus: f64) -> usize {
    // A float that is out of range becomes the nearest number.
    ((cpus * IN_FLIGHT as f64).ceil() as usize).clamp(1, IN_FLIGHT)
}

const SHARE: u64 = 32;
const MIB: usize = 1 << 20;
/// The usual number of requests in flight.
const IN_FLIGHT: usize = MAX_IN_FLIGHT.default_number() as usize;

#[cfg(test)]
mod tests;

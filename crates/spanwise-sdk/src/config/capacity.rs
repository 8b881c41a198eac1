//! Capacity: the memory budget, the size of requests and the schedule of the exporter.

use super::builder::SpanwiseBuilder;
use super::environment::{Environment, process_environment};
use super::error::BuildError;
use super::ranges;
use super::recording_sdk::RecordingSdk;
use super::settings::{self, Setting};
use crate::diagnostics::Reporter;
use opentelemetry::Context;
use spanwise_batch::BatchPreset;
use spanwise_export::{BatchConfig, Exporter, ExporterBuilder, OnFull};
use spanwise_transport::Transport;
use spanwise_wire::RequestLimits;
use std::sync::Arc;
use std::time::Duration;

impl SpanwiseBuilder {
    /// Bytes of the budget.
    pub(super) fn budget(&self, environment: &Environment) -> Result<usize, BuildError> {
        let own = ranges::BUDGET_BYTES.resolve(self.budget_bytes, environment)?;
        Ok(own.or(self.container.budget).unwrap_or(BUDGET))
    }

    /// Records the budget, of `bytes`.
    fn record_budget(&self, environment: &Environment, bytes: usize) {
        let (setting, value) = (&settings::BUDGET_BYTES, || bytes.to_string());
        match self.container.budget {
            Some(reduced) if reduced == bytes => {
                let path = self.container.file.memory_bytes.map(|_| "resources.memory_limit");
                environment.recorder().limited(setting, path, value);
            }
            _ => environment.effective(setting, value),
        }
    }

    /// Limits of a request; it has no more spans than may wait in the `queue`.
    pub(super) fn request_limits(
        &self,
        environment: &Environment,
        queue: Option<usize>,
    ) -> Result<RequestLimits, BuildError> {
        let mut limits = RequestLimits::default();
        let bytes = ranges::REQUEST_BYTES.resolve(self.max_request_bytes, environment)?;
        limits.max_bytes = bytes.unwrap_or(limits.max_bytes);
        limits.max_spans = self.resolve_export_batch_size(environment, queue, limits.max_spans)?;
        Ok(limits)
    }

    /// Records the settings of batching that the exporter has.
    pub(super) fn record_batching(&self, environment: &Environment, config: &BatchConfig) {
        let optional = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
        let record = |setting: &Setting, value: &dyn Fn() -> String| {
            environment.effective(setting, value);
        };
        record(&settings::SCHEDULE_DELAY, &|| settings::millis(config.scheduled_delay));
        record(&settings::MAX_QUEUE_SIZE, &|| {
            optional(config.max_queue_size.map(|spans| spans.to_string()))
        });
        record(&settings::MAX_EXPORT_BATCH_SIZE, &|| config.max_export_batch_size.to_string());
        record(&settings::BATCH_SIZE, &|| {
            optional(config.batch_size.map(|size| format!("{size:?}")))
        });
        record(&settings::HOLD_BACK, &|| settings::millis(config.hold_back));
        record(&settings::MAX_REQUEST_BYTES, &|| config.max_request_bytes.to_string());
        let in_flight = || config.max_in_flight.to_string();
        match self.container.max_in_flight {
            None => record(&settings::MAX_IN_FLIGHT, &in_flight),
            Some(_) => {
                let path = self.container.file.cpus.map(|_| "resources.cpu_limit");
                environment.recorder().limited(&settings::MAX_IN_FLIGHT, path, in_flight);
            }
        }
        record(&settings::ON_FULL, &|| format!("{:?}", self.on_full));
    }

    /// The exporter's settings that bound a resource, and its transport.
    pub(super) fn exporter_builder(
        &self,
        environment: &Environment,
        transport: Transport,
    ) -> Result<ExporterBuilder, BuildError> {
        if self.recording_sdk == RecordingSdk::StockSdk && self.on_full == OnFull::ShedByTrace {
            // A trace can be shed at the start of its root, which another SDK starts.
            let problem = "accepted are Drop and Wait, because the stock SDK starts the spans";
            return Err(BuildError::setting("with_on_full", "ShedByTrace", problem));
        }
        let budget = self.budget(environment)?;
        self.record_budget(environment, budget);
        let budget = self.budget_without_span_metrics(budget)?;
        let queue = self.resolve_queue_size(environment)?;
        let limits = self.request_limits(environment, queue)?;
        let exporter = Exporter::builder(transport)
            .with_budget_bytes(budget)
            .with_max_request_bytes(limits.max_bytes)
            .with_max_export_batch_size(limits.max_spans)
            .with_on_full(self.on_full)
            .with_shutdown_timeout(self.shutdown_timeout())
            // The hook suppresses telemetry, so that the exporter's thread makes no spans.
            .with_on_thread_start(Context::enter_telemetry_suppressed_scope);
        let exporter =
            self.destinations.iter().cloned().fold(exporter, ExporterBuilder::with_destination);
        Ok(match queue {
            Some(spans) => exporter.with_max_queue_size(spans),
            None => exporter,
        })
    }

    /// The rest of the exporter's settings.
    pub(super) fn resolve_export(
        &self,
        mut exporter: ExporterBuilder,
        environment: &Environment,
    ) -> Result<ExporterBuilder, BuildError> {
        let requests = ranges::IN_FLIGHT.resolve(self.max_in_flight, environment)?;
        if let Some(requests) = requests.or(self.container.max_in_flight) {
            exporter = exporter.with_max_in_flight(requests);
        }
        if let Some(size) = self.batch_size {
            exporter = exporter.with_batch_size(size);
        }
        if let Some(time) = self.hold_back {
            exporter = exporter.with_hold_back(time);
        }
        let code = self.in_code(self.scheduled_delay, |preset| Some(preset.scheduled_delay()));
        let delay = ranges::SCHEDULED_DELAY.resolve(code, environment)?;
        Ok(match delay {
            Some(delay) => exporter.with_scheduled_delay(delay),
            None => exporter,
        })
    }
}

impl SpanwiseBuilder {
    /// Without the variables of the batching processor, which is another SDK's.
    pub(crate) fn without_batching_variables(mut self) -> Self {
        let lookup = self.lookup.take().unwrap_or_else(process_environment);
        self.lookup = Some(Arc::new(move |name| match BATCHING.contains(&name) {
            true => None,
            false => lookup(name),
        }));
        self
    }

    /// The timeout of a request with its retries. An invalid value is reported elsewhere.
    pub(crate) fn export_timeout(&self) -> Duration {
        let lookup = self.lookup.clone().unwrap_or_else(process_environment);
        let environment = Environment::new(lookup, Reporter::new(Arc::new(|_| {})));
        let resolved = self.resolve_export_timeout(&environment);
        resolved.ok().flatten().unwrap_or(EXPORT_TIMEOUT)
    }

    /// The timeout of a request with its retries, if code, the preset or a variable sets it.
    pub(super) fn resolve_export_timeout(
        &self,
        environment: &Environment,
    ) -> Result<Option<Duration>, BuildError> {
        let code = self.in_code(self.export_timeout, BatchPreset::export_timeout);
        ranges::EXPORT_TIMEOUT.resolve(code, environment)
    }
}

/// Variables of the batching processor, without its export timeout, which limits a request.
const BATCHING: [&str; 3] = [
    settings::MAX_EXPORT_BATCH_SIZE.variable(),
    settings::MAX_QUEUE_SIZE.variable(),
    settings::SCHEDULE_DELAY.variable(),
];
/// The default timeout of a request with its retries.
pub(super) const EXPORT_TIMEOUT: Duration = settings::EXPORT_TIMEOUT.default_duration();
/// The default budget, in bytes.
pub(super) const BUDGET: usize = settings::BUDGET_BYTES.default_number() as usize;

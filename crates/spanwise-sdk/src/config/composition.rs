//! Composition: a provider from the settings of the code and of the environment.

use super::builder::{Recorder, SHUTDOWN_TIMEOUT, SpanwiseBuilder};
use super::capacity::BUDGET;
use super::environment::{Environment, process_environment};
use super::error::BuildError;
use super::exporter::{self, Exporter};
use super::propagators;
use super::resource::{MAX_RESOURCE_BYTES, Resource};
use super::span_processors::as_observer;
use super::{settings, unused};
use crate::core::{Core, Phase};
use crate::diagnostics::{DestinationLosses, Diagnostics, EndpointHealth, Reporter, to_stderr};
use crate::export_observer::ExportObserver;
use crate::lifecycle::{Guard, Handle};
use crate::processor::Processors;
use crate::propagation::{Propagator, set_global};
use crate::provider::Spanwise;
use crate::start::Scopes;
use spanwise_batch::{Budget, ShardedBuffer, ShardedBufferConfig};
use spanwise_export::{ScopeTable, SpanQueue};
use spanwise_ledger::Ledger;
use spanwise_sampling::{DynamicSampler, Sampler};
use spanwise_transport::FailedAttempt;
use spanwise_wire::SpanLimits;
use spanwise_worker::clock::ClockMode;
use spanwise_worker::{catch_panic, fork};
use std::sync::Arc;
use std::time::Duration;

/// Whether a provider sets the globals of the API.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Globals {
    Set,
    Unchanged,
}

impl SpanwiseBuilder {
    /// Checks the settings in use and starts the provider: with one worker thread, or with none if it
    /// exports nothing. It opens no connection yet, and sets no globals.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<Spanwise, BuildError> {
        self.compose(Globals::Unchanged).map(|(spanwise, _none)| spanwise)
    }

    /// [`build`](Self::build)s the provider, and makes it the global tracer provider until the guard is
    /// dropped. It also sets the global propagators: see [`with_propagators`](Self::with_propagators).
    ///
    /// # Errors
    /// As [`build`](Self::build); `init` sets no global then.
    pub fn init(self) -> Result<Guard, BuildError> {
        let (spanwise, propagators) = self.compose(Globals::Set)?;
        set_global(&propagators);
        Ok(Guard::install(spanwise))
    }

    fn compose(mut self, globals: Globals) -> Result<(Spanwise, Vec<Propagator>), BuildError> {
        // The watch starts before the first random number, because processes must generate different ones.
        fork::watch();
        crate::record::warm_up();
        let reporter = Reporter::new(self.handler.take().unwrap_or_else(to_stderr));
        let lookup = self.lookup.take().unwrap_or_else(process_environment);
        let environment = Environment::new(lookup.clone(), reporter.clone());
        let propagators_in_code = self.propagators.is_some();
        let environment = self.apply_config_file(environment, &lookup, &reporter)?;
        let disabled = self.is_disabled_by_file || environment.switch(&settings::SDK_DISABLED);
        let propagators = match globals {
            // A disabled SDK sets propagators too (specification, *OTEL_SDK_DISABLED*).
            Globals::Set => propagators::resolve(self.propagators.take(), &environment),
            Globals::Unchanged => {
                if !disabled && self.recorder == Recorder::Native {
                    let setting = match propagators_in_code {
                        true => "with_propagators",
                        false => "propagator of the configuration file",
                    };
                    let setting = self.propagators.is_some().then_some(setting);
                    propagators::report_unused(setting, &environment);
                }
                Vec::new()
            }
        };
        let built = match disabled {
            true => Ok(self.disabled(&reporter)),
            false => self.enabled(&environment, &reporter),
        };
        reporter.flush(REPORTED_WITHIN);
        built.map(|spanwise| (spanwise, propagators))
    }

    fn disabled(mut self, reporter: &Reporter) -> Spanwise {
        let sampler = self.sampler.take().unwrap_or_default();
        self.idle(Phase::Disabled, sampler, reporter)
    }

    fn enabled(
        self,
        environment: &Environment,
        reporter: &Reporter,
    ) -> Result<Spanwise, BuildError> {
        unused::report(environment);
        if exporter::resolve(self.exporter, environment) == Exporter::None {
            if !self.destinations.is_empty() {
                environment.unused("with_destination", "the exporter is none: nothing is exported");
            }
            let (sampler, remote) = self.resolve_sampler(environment)?;
            if let Some(remote) = remote {
                remote.report_unused(environment);
            }
            return match self.processors.is_empty() {
                true => Ok(self.idle(Phase::NotExporting, sampler, reporter)),
                false => self.with_processors_alone(environment, sampler, reporter),
            };
        }
        self.start(environment, reporter)
    }

    /// A provider without a worker.
    fn idle(&self, phase: Phase, sampler: Sampler, reporter: &Reporter) -> Spanwise {
        let buffer = ShardedBuffer::new(ShardedBufferConfig::default(), Budget::new(BUDGET));
        let core = Core::new(
            phase,
            SpanLimits::default(),
            DynamicSampler::new(sampler),
            Scopes::new(ScopeTable::new(0)),
            SpanQueue::new(buffer, Ledger::new(), self.on_full),
        );
        let health = EndpointHealth::new(reporter.clone());
        Spanwise::new(Handle::new(Arc::new(core), None, health, self.shutdown_timeout()))
    }

    fn start(
        mut self,
        environment: &Environment,
        reporter: &Reporter,
    ) -> Result<Spanwise, BuildError> {
        let health = EndpointHealth::new(reporter.clone());
        // This reports an invalid value; the clock of the process reads the variable itself.
        let _ = environment.parsed(&settings::CLOCK, ClockMode::ACCEPTED, ClockMode::parse);
        // The sink is the user's code.
        let sink = self.sink.as_ref().and_then(|it| catch_panic(|| it.lifecycle()).ok().flatten());
        let transport = self.transport(environment, &health)?;
        let others = self.observe_destinations(reporter);
        health.set_endpoint(transport.destination());
        let exporter = self.exporter_builder(environment, transport)?;
        let max_bytes = exporter.max_resource_bytes();
        let resource = Resource::of_builder(&mut self, environment, max_bytes)?;
        let service_name = resource.service_name;
        let exporter =
            self.resolve_export(exporter, environment)?.with_resource(resource.encoded.clone());
        let exporter = match self.recorder {
            Recorder::Native => exporter,
            // The stock SDK sets its resource later.
            Recorder::StockSdk => {
                exporter.with_max_resource_bytes(max_bytes.min(MAX_RESOURCE_BYTES))
            }
        };
        let (queue, prepared) = exporter.prepare()?;
        let (sampler, remote) = self.resolve_sampler(environment)?;
        let processors = std::mem::take(&mut self.processors);
        let processors = Processors::new(processors, &resource.encoded, queue.ledger());
        let queue = if processors.is_some() { queue.with_checked_starts() } else { queue };
        let core = Core::new(
            Phase::Running,
            self.span_limits(environment, prepared.max_span_bytes())?,
            DynamicSampler::new(sampler),
            Scopes::new(prepared.scopes().clone()),
            queue,
        );
        let core = Arc::new(core.with_observer(as_observer(&processors)));
        let remote = remote.map(|remote| remote.start(&service_name)).transpose()?;
        let diagnostics = Diagnostics::new(reporter.clone(), health.clone());
        let losses = prepared.destinations().skip(1).zip(&others);
        let losses = losses
            .map(|((name, ledger), health)| DestinationLosses::new(name, ledger, health.clone()))
            .collect();
        let observer = ExportObserver::new(core.clone(), diagnostics, remote);
        let observer = observer.with_destinations(losses);
        let exporter = prepared.with_observer(observer).spawn(core.clone())?;
        let timeout = self.shutdown_timeout();
        let handle = Handle::new(core, Some(exporter), health, timeout).with_destinations(others);
        Ok(Spanwise::new(handle.with_sink(sink).with_processors(processors)))
    }

    /// Reports failed attempts of the further destinations. Returns the health of each.
    fn observe_destinations(&mut self, reporter: &Reporter) -> Vec<EndpointHealth> {
        let observed = std::mem::take(&mut self.destinations).into_iter().map(|destination| {
            let name = destination.name();
            let health =
                EndpointHealth::of_destination(reporter.clone(), &name, destination.is_routed());
            let observer = health.clone();
            let observe = move |failed: &FailedAttempt| observer.attempt_failed(failed);
            (destination.with_attempt_observer(observe), health)
        });
        let (destinations, health) = observed.unzip();
        self.destinations = destinations;
        health
    }

    pub(super) fn shutdown_timeout(&self) -> Duration {
        self.shutdown_timeout.unwrap_or(SHUTDOWN_TIMEOUT)
    }
}

/// How long `build` waits for a slow diagnostics handler.
const REPORTED_WITHIN: Duration = Duration::from_millis(200);

//! Resolution: the settings of code, file and environment, checked and combined, with nothing started.

use super::builder::SpanwiseBuilder;
use super::capacity::BUDGET;
use super::environment::{Environment, Lookup};
use super::error::BuildError;
use super::exporter::{self, Exporter};
use super::recording_sdk::RecordingSdk;
use super::redaction::shown_address;
use super::reload::destination_changes::DestinationSettings;
use super::reload::reported::Reported;
use super::reload::running::Running;
use super::resource::{MAX_RESOURCE_BYTES, Resource};
use super::spool::ResolvedSpool;
use super::{propagators, settings, unused};
use crate::diagnostics::{EndpointHealth, Reporter};
use crate::metrics::OtlpMetrics;
use crate::propagation::Propagator;
use crate::remote_sampling::RemoteSampling;
use crate::span_metrics::SpanMetricsRecorder;
use crate::tail::TailSampling;
use spanwise_export::{PreparedExporter, SpanQueue};
use spanwise_sampling::Sampler;
use spanwise_transport::FailedAttempt;
use spanwise_wire::SpanLimits;
use spanwise_worker::clock::ClockMode;

/// Whether a provider sets the globals of the API.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Globals {
    Set,
    Unchanged,
}

/// The settings of a provider that is not started.
pub(super) struct Resolved {
    /// The environment that is left, with the record of the settings.
    pub(super) environment: Environment,
    /// The propagators to set.
    pub(super) propagators: Vec<Propagator>,
    pub(super) plan: Plan,
}

/// The kind of a provider.
pub(super) enum Plan {
    Disabled,
    /// It makes ids alone.
    Idle {
        sampler: Sampler,
    },
    /// It records spans for processors and metrics alone.
    Processors {
        sampler: Sampler,
        resource: Resource,
        limits: SpanLimits,
        span_metrics: Option<Box<SpanMetricsRecorder>>,
    },
    Exporting(Box<Exporting>),
}

/// The parts of a provider that exports.
pub(super) struct Exporting {
    pub(super) queue: SpanQueue,
    pub(super) prepared: PreparedExporter,
    pub(super) resource: Vec<u8>,
    pub(super) sampler: Sampler,
    pub(super) remote: Option<RemoteSampling>,
    /// The export of metrics.
    pub(super) metrics: Option<OtlpMetrics>,
    pub(super) limits: SpanLimits,
    /// Tail sampling is on.
    pub(super) records_all: bool,
    pub(super) span_metrics: Option<Box<SpanMetricsRecorder>>,
    /// The features that tail sampling, redaction and the spool need.
    pub(super) features: [Option<&'static str>; 3],
    pub(super) spool: Option<ResolvedSpool>,
    pub(super) health: EndpointHealth,
    /// The health of the further destinations.
    pub(super) others: Vec<EndpointHealth>,
    /// For the comparison with the next configuration.
    pub(super) running: Running,
}

impl SpanwiseBuilder {
    /// Resolves every setting in use.
    ///
    /// # Errors
    /// A setting in use is invalid.
    pub(super) fn resolve(
        &mut self,
        environment: Environment,
        lookup: &Lookup,
        reporter: &Reporter,
        globals: Globals,
    ) -> Result<Resolved, BuildError> {
        let propagators_in_code = self.propagators.is_some();
        let environment = self.apply_config_file(environment, lookup)?;
        self.resolve_log_level(&environment, reporter);
        let disabled = self.of_file.is_disabled || environment.switch(&settings::SDK_DISABLED);
        environment.effective(&settings::SDK_DISABLED, || disabled.to_string());
        let propagators = match globals {
            // A disabled SDK sets propagators too (specification, *OTEL_SDK_DISABLED*).
            Globals::Set => {
                let propagators = propagators::resolve(self.propagators.take(), &environment);
                self.installed = Some(propagators.clone());
                propagators
            }
            Globals::Unchanged => {
                if !disabled && self.recording_sdk == RecordingSdk::Native {
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
        let plan = match disabled {
            true => Plan::Disabled,
            false => self.enabled(&environment, reporter)?,
        };
        Ok(Resolved { environment, propagators, plan })
    }

    fn enabled(
        &mut self,
        environment: &Environment,
        reporter: &Reporter,
    ) -> Result<Plan, BuildError> {
        unused::report(environment);
        let configurator = self.tracer_configurator.is_some();
        environment.effective(&settings::TRACER_CONFIGURATOR, || {
            if configurator { "function" } else { "none" }.to_owned()
        });
        let timeout = self.shutdown_timeout();
        environment.effective(&settings::SHUTDOWN_TIMEOUT, || settings::millis(timeout));
        #[cfg(feature = "config-file")]
        environment.effective(&settings::CONFIG_FILE_WATCH, || {
            self.config_file_watch.map_or_else(|| "none".to_owned(), settings::millis)
        });
        self.read_redaction_file(environment)?;
        self.record_redaction(environment);
        if exporter::resolve(self.exporter, environment) == Exporter::Otlp {
            return Ok(Plan::Exporting(Box::new(self.exporting(environment, reporter)?)));
        }
        if !self.destinations.is_empty() {
            environment.unused("with_destination", "the exporter is none: nothing is exported");
        }
        if self.metrics_export.is_some() {
            environment.unused("with_metrics_export", "the exporter is none: nothing is exported");
        }
        self.report_unused_tail_sampling(environment);
        self.report_unused_spool(environment);
        let (sampler, remote) = self.resolve_sampler(environment)?;
        if let Some(remote) = remote {
            remote.report_unused(environment);
        }
        let span_metrics = self.resolve_span_metrics(environment, BUDGET);
        if self.processors.is_empty() && span_metrics.is_none() {
            return Ok(Plan::Idle { sampler });
        }
        let resource = Resource::of_builder(self, environment, usize::MAX)?;
        let limits = self.span_limits(environment, SpanLimits::default().span_bytes)?;
        Ok(Plan::Processors { sampler, resource, limits, span_metrics })
    }

    fn exporting(
        &mut self,
        environment: &Environment,
        reporter: &Reporter,
    ) -> Result<Exporting, BuildError> {
        self.read_tail_sampling_file(environment)?;
        let health = EndpointHealth::new(reporter.clone());
        // This reports an invalid value; the clock of the process reads the variable itself.
        let clock = environment.parsed(
            &settings::CLOCK,
            &settings::CLOCK.kind.accepted(),
            ClockMode::parse,
        );
        environment.effective(&settings::CLOCK, || match clock.unwrap_or_default() {
            ClockMode::Monotonic => "monotonic".to_owned(),
            _ => "auto".to_owned(),
        });
        // `spanwise::init` starts the endpoint, and reports an address that cannot be used.
        let address = environment.parsed(&settings::ADMIN_ADDRESS, "", |it| Some(it.to_owned()));
        environment.effective(&settings::ADMIN_ADDRESS, || {
            address.map_or("none".to_owned(), |it| shown_address(&it))
        });
        let (transport, source) = self.transport(environment, &health)?;
        environment.effective(&settings::ENDPOINT, || transport.destination());
        self.record_destinations(environment);
        let destinations = DestinationSettings::of(&self.destinations);
        let others = self.observe_destinations(reporter);
        health.set_endpoint(transport.destination());
        self.fit_into_container(environment, &transport, reporter);
        let exporter = self.exporter_builder(environment, transport)?;
        let max_bytes = exporter.max_resource_bytes();
        let resource = Resource::of_builder(self, environment, max_bytes)?;
        let fixed = self.fixed_settings(environment, &resource)?;
        let exporter =
            self.resolve_export(exporter, environment)?.with_resource(resource.encoded.clone());
        let exporter = match self.recording_sdk {
            RecordingSdk::Native => exporter,
            // The stock SDK sets its resource later.
            RecordingSdk::StockSdk => {
                exporter.with_max_resource_bytes(max_bytes.min(MAX_RESOURCE_BYTES))
            }
        };
        let tail = self.resolve_tail_sampling(environment)?;
        let spool = self.resolve_spool(environment)?;
        let records_all = tail.is_some();
        let budget = self.budget(environment)?;
        let span_metrics = self.resolve_span_metrics(environment, budget);
        let features = [
            self.tail_sampling.as_ref().and_then(TailSampling::feature),
            self.span_redaction().map(|_| "redaction"),
            spool.as_ref().map(|_| "spool"),
        ];
        let exporter = match tail {
            Some(tail) => exporter.with_tail_sampling(tail),
            None => exporter,
        };
        let (queue, prepared) = exporter.prepare()?;
        self.record_batching(environment, &prepared.batching().load());
        let (sampler, remote) = self.resolve_sampler(environment)?;
        let limits = self.span_limits(environment, prepared.max_span_bytes())?;
        let remote_source = remote.as_ref().map(|remote| remote.source().clone());
        let remote = remote.map(|remote| remote.start(&resource.service_name)).transpose()?;
        let running = Running {
            source,
            remote: remote_source,
            fixed,
            destinations,
            parts: self.file_parts,
            reported: Reported::default(),
        };
        let metrics = self.resolve_metrics_export(environment, reporter)?;
        let resource = resource.encoded;
        Ok(Exporting {
            queue,
            prepared,
            resource,
            sampler,
            remote,
            metrics,
            limits,
            records_all,
            span_metrics,
            features,
            spool,
            health,
            others,
            running,
        })
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

    fn record_destinations(&self, environment: &Environment) {
        for (index, destination) in self.destinations.iter().enumerate() {
            let origin = environment.recorder().destination(&settings::DESTINATION, index);
            let name = || {
                let endpoints = destination.endpoints().collect::<Vec<_>>().join(", ");
                // The default name is a part of the endpoint.
                match destination.name() {
                    name if endpoints.contains(&*name) => endpoints,
                    name => format!("{name} ({endpoints})"),
                }
            };
            environment.recorder().effective_from(&settings::DESTINATION, origin, name);
            // Those of the file come last.
            let of_code = self.destinations.len().saturating_sub(self.of_file.further.len());
            let Some(further) = index.checked_sub(of_code) else { continue };
            for row in self.of_file.further.get(further).into_iter().flatten() {
                let place = format!("processors[{}]", further + 1);
                let origin = environment.recorder().in_processor(&place, row.paths);
                let value = || format!("{place}.{}={}", row.key, row.value);
                environment.recorder().effective_from(&settings::DESTINATION, origin, value);
            }
        }
    }
}
